import type { Peer } from "../mesh/ports.ts";

export interface PeerLimits {
  /** All workloads of one service account together. */
  readonly perIdentity: number;
  /** One workload: each has a certificate of its own. */
  readonly perCertificate: number;
}

export type Entry =
  /** `leave` once, when it has ended. */
  | { readonly t: "ok"; readonly leave: () => void }
  | { readonly t: "refused"; readonly reason: string };

/**
 * What each peer holds of one thing (connections, streams), so that whoever took over one workload cannot
 * keep all the others out. Counts by certificate, and by identity against a peer that renews to get more.
 */
export class PeerCount {
  readonly #limits: PeerLimits;
  readonly #what: string;
  readonly #counts = new Map<string, number>();

  /** `what`: in the words of the refusal, in the plural. */
  constructor(what: string, limits: PeerLimits) {
    this.#what = what;
    this.#limits = limits;
  }

  enter(peer: Pick<Peer, "id" | "leafSha256">): Entry {
    const { perIdentity, perCertificate } = this.#limits;
    if (this.#of(peer.leafSha256) >= perCertificate) {
      return refused(`one certificate holds ${perCertificate} ${this.#what} already`);
    }
    if (this.#of(peer.id) >= perIdentity) {
      return refused(`one identity holds ${perIdentity} ${this.#what} already`);
    }
    const keys = [peer.id, peer.leafSha256];
    for (const key of keys) this.#counts.set(key, this.#of(key) + 1);
    const leave = (): void => {
      for (const key of keys.splice(0)) this.#drop(key);
    };
    return { t: "ok", leave };
  }

  #of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  #drop(key: string): void {
    const left = this.#of(key) - 1;
    if (left > 0) this.#counts.set(key, left);
    else this.#counts.delete(key);
  }
}

function refused(reason: string): Entry {
  return { t: "refused", reason };
}
