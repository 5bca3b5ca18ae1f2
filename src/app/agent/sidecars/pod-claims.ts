import type { ClusterKnowledge } from "../../../discovery/io/kubernetes/kubernetes-source.ts";
import { canonicalIp, isIp } from "../../../mesh/address.ts";
import type { Clock, Log } from "../../../mesh/ports.ts";
import { doorOf, type SidecarNode } from "../../../proxy/node.ts";
import { type LogPace, pacedLog } from "../../../telemetry/paced-log.ts";
import { anyPort, type SidecarClaim } from "./sidecar-proofs.ts";

/** Who stands behind an address of one cluster. */
export type PodLookup = Pick<ClusterKnowledge["pods"], "byKey" | "byAddress">;

export interface PodClaimsOptions {
  /** Of each cluster that is a source; none: every claim counts. */
  readonly books: readonly PodLookup[];
  readonly onProof: (claims: readonly SidecarClaim[]) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * What connected sidecars say of where they stand, but for addresses that the clusters know as other pods'.
 * Those wait for as long as the sidecar is connected: a pod may be here before its cluster says so, at the
 * address of one that has just ended.
 */
export class PodClaims {
  readonly #options: PodClaimsOptions;
  readonly #log: Log;
  readonly #waiting = new Map<SidecarNode, readonly SidecarClaim[]>();

  constructor(options: PodClaimsOptions) {
    const { log, clock } = options;
    this.#options = options;
    this.#log = pacedLog(log, refusalPace, () => clock.monotonicMs());
  }

  /** Returns what to call when its stream ends. */
  open(node: SidecarNode): () => void {
    const claims = claimsOf(node);
    const others = this.#judge(node, claims);
    const [first] = others;
    if (first !== undefined) {
      const fields = { node: node.id, address: first.endpoint.host };
      this.#log.warn(fields, "Sidecar claims an address that is not its pod's");
    }
    return () => this.#waiting.delete(node);
  }

  /** Call when pods have changed. */
  look(): void {
    for (const [node, claims] of this.#waiting) this.#judge(node, claims);
  }

  /** Those that do not count now. */
  #judge(node: SidecarNode, claims: readonly SidecarClaim[]): readonly SidecarClaim[] {
    const { books, onProof } = this.#options;
    const others = claims.filter(({ endpoint }) => isOthers(node, endpoint.host, books));
    if (others.length > 0) this.#waiting.set(node, others);
    else this.#waiting.delete(node);
    const own = claims.filter((claim) => !others.includes(claim));
    if (own.length > 0) onProof(own);
    return others;
  }
}

const refusalPace: LogPace = { burst: 20, perSecond: 1 };

/** Two clusters may give out one address: it is enough that it is the sidecar's own in one of them. */
function isOthers(node: SidecarNode, host: string, books: readonly PodLookup[]): boolean {
  const address = isIp(host) ? canonicalIp(host) : host;
  const key = `${node.namespace}/${node.workload}`;
  const owns = books.map((book) => ownsIn(book, key, address));
  return owns.includes("another") && !owns.includes("own");
}

function ownsIn(book: PodLookup, key: string, address: string): "own" | "another" | "unknown" {
  const own = book.byKey(key)?.addresses ?? [];
  if (own.includes(address)) return "own";
  // Without one of its own it may be new, or on its node's network.
  if (own.length > 0) return "another";
  return book.byAddress(address) === undefined ? "unknown" : "another";
}

function claimsOf(node: SidecarNode): readonly SidecarClaim[] {
  const { namespace, serviceAccount, capture } = node;
  if (capture !== undefined) {
    const exceptPorts = capture.openPorts;
    return capture.addresses.map((host) => {
      const at = { host, port: anyPort };
      return { namespace, serviceAccount, endpoint: at, listen: at, exceptPorts };
    });
  }
  return node.inbound.flatMap((entry) => {
    const { endpoint } = entry;
    const listen = doorOf(entry);
    return listen === undefined ? [] : [{ namespace, serviceAccount, endpoint, listen }];
  });
}
