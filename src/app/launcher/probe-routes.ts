import { once } from "node:events";
import { connect } from "node:net";
import { reasonOf } from "../../mesh/errors.ts";
import type { HttpRoute } from "../http-server.ts";

// A kubelet waits a second unless told otherwise; here it is a way inside one machine.
const timeoutMs = 900;

/**
 * `/probe/tcp/PORT` for each port: whether the application takes connections there. Only those that the
 * configuration names: the admin port is no way to look around in a pod.
 */
export function probeRoutes(ports: readonly number[] = []): readonly HttpRoute[] {
  return ports.map((port) => ({
    path: `/probe/tcp/${port}`,
    answer: async () => {
      const refusal = await dial(port);
      return refusal === undefined
        ? { t: "text", body: "ok\n" }
        : { t: "text", body: `${refusal}\n`, status: 503 };
    },
  }));
}

/** Undefined: it was taken. Loopback goes past the sidecar; by its addresses, for a hosts file may lack one. */
async function dial(port: number): Promise<string | undefined> {
  const signal = AbortSignal.timeout(timeoutMs);
  const four = await refusalAt({ host: "127.0.0.1", port, signal });
  if (four === undefined) return undefined;
  const six = await refusalAt({ host: "::1", port, signal });
  return six === undefined ? undefined : `port ${port} takes no connection: ${four}`;
}

async function refusalAt(to: {
  readonly host: string;
  readonly port: number;
  readonly signal: AbortSignal;
}): Promise<string | undefined> {
  const { host, port, signal } = to;
  const socket = connect({ host, port });
  try {
    await once(socket, "connect", { signal });
    return undefined;
  } catch (thrown) {
    return reasonOf(thrown);
  } finally {
    socket.destroy();
  }
}
