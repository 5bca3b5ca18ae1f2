import { Admission, type AdmissionLimits } from "../xds/admission.ts";

// Identities beyond these share one pace, so that a peer with many names costs no memory.
const maxIdentities = 10_000;
const everyoneElse = "";

/** A pace for each identity: one that asks without end waits for itself, not for the others. */
export class PeerPace {
  readonly #limits: AdmissionLimits;
  readonly #paces = new Map<string, Admission>();

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /** How long until the identity may ask again, in milliseconds; 0: it may, and this was counted. */
  take(identity: string, nowMs: number): number {
    const pace = this.#paceOf(identity, nowMs);
    return pace.take(nowMs) ? 0 : Math.max(1, pace.waitMs(nowMs));
  }

  #paceOf(identity: string, nowMs: number): Admission {
    const isNew = !this.#paces.has(identity) && this.#paces.size >= maxIdentities;
    const key = isNew ? everyoneElse : identity;
    const pace = this.#paces.get(key) ?? new Admission(this.#limits, nowMs);
    this.#paces.set(key, pace);
    return pace;
  }
}
