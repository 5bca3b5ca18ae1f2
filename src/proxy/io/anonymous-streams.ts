import { Admission, type AdmissionLimits } from "../../xds/admission.ts";
import type { Entry } from "../peer-limits.ts";

// Programs of one machine that prove nothing: they must leave room, and the pace of admission, to all others.
const maxAnonymous = 256;
const anonymousPace: AdmissionLimits = { perSecond: 20, burst: 256 };

/** Streams of those that have no name: nobody's share can be told from another's. */
export class AnonymousStreams {
  readonly #pace: Admission;
  #count = 0;

  constructor(nowMs: number) {
    this.#pace = new Admission(anonymousPace, nowMs);
  }

  enter(nowMs: number): Entry {
    const isPaced = this.#pace.take(nowMs);
    if (this.#count >= maxAnonymous || !isPaced) {
      return { t: "refused", reason: "too many streams that prove nothing" };
    }
    this.#count += 1;
    const leave = (): void => {
      this.#count -= 1;
    };
    return { t: "ok", leave };
  }
}
