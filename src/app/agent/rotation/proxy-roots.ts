import type { Peer } from "../../../mesh/ports.ts";
import type { Holder } from "../../../proxy/io/ads-server.ts";
import { type View, viewed } from "../../../xds/view.ts";

/** A connected proxy, and whether it uses the roots that it was told last. */
export interface ProxyRoots {
  readonly nodeId: string;
  /** Names its connection for as long as that lasts. */
  readonly remote: string;
  /** Absent: a program of this machine, without TLS. */
  readonly peer?: Peer;
  /** Whether it acknowledged each validation context in its present form. */
  readonly hasRoots: () => boolean;
}

export function proxyRootsOf(
  holders: readonly Holder[],
  viewOf: (nodeId: string) => View | undefined,
): readonly ProxyRoots[] {
  return holders.map(({ held, ...proxy }) => ({
    ...proxy,
    hasRoots: () => {
      const view = viewOf(proxy.nodeId);
      return view !== undefined && held("secret").every((one) => isAsNow(view, one));
    },
  }));
}

/** What it holds and should not any more judges nobody. */
function isAsNow(view: View, held: ReturnType<Holder["held"]>[number]): boolean {
  const now = viewed(view, held);
  return now === undefined || (held.state === "acked" && held.version === now.version);
}
