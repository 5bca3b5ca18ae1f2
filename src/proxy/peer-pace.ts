import { Admission, type AdmissionLimits } from "../xds/admission.ts";

// Peers beyond these share one pace, so that one with many names costs no memory.
const maxPeers = 10_000;
const everyoneElse = "";

/** A pace for each identity or certificate: one that asks without end waits for itself, not for the others. */
export class PeerPace {
  readonly #limits: AdmissionLimits;
  readonly #paces = new Map<string, Admission>();

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /** How long until the peer may ask again, in milliseconds; 0: it may, and this was counted. */
  take(peer: string, nowMs: number): number {
    const pace = this.#paceOf(peer, nowMs);
    return pace.take(nowMs) ? 0 : Math.max(1, pace.waitMs(nowMs));
  }

  /** As `take`, of so many that have been taken already; 0: all of them were within its pace. */
  charge(peer: string, count: number, nowMs: number): number {
    return this.#paceOf(peer, nowMs).charge(count, nowMs);
  }

  #paceOf(peer: string, nowMs: number): Admission {
    const known = this.#paces.get(peer);
    if (known !== undefined) return known;
    if (this.#paces.size >= maxPeers) this.#forgetIdle(nowMs);
    const key = this.#paces.size >= maxPeers ? everyoneElse : peer;
    const pace = this.#paces.get(key) ?? new Admission(this.#limits, nowMs);
    this.#paces.set(key, pace);
    return pace;
  }

  /** Certificates are replaced every day; whoever has all of its pace again is as good as new. */
  #forgetIdle(nowMs: number): void {
    for (const [peer, pace] of this.#paces) {
      if (pace.isFull(nowMs)) this.#paces.delete(peer);
    }
  }
}
