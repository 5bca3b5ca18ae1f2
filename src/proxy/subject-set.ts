import { ResourceSet } from "../xds/resource-set.ts";
import type { Sealed, Withheld } from "./seal.ts";
import { editBetween, nothingSealed, withLastGood } from "./seal.ts";

/**
 * A shared set filled subject by subject (a service, a node), so that a change of one touches its
 * resources only. What a subject no longer has is removed; what could not be built stays as it was.
 */
export class SubjectSet {
  readonly set: ResourceSet;
  readonly #bySubject = new Map<string, Sealed>();

  constructor(name: string) {
    this.set = new ResourceSet(name);
  }

  /** Returns what the subject has now, last good versions included. */
  put(subject: string, sealed: Sealed): Sealed {
    const before = this.#bySubject.get(subject) ?? nothingSealed;
    const after = withLastGood(before, sealed);
    if (after.resources.length + after.withheld.length === 0) this.#bySubject.delete(subject);
    else this.#bySubject.set(subject, after);
    this.set.apply(editBetween(before, after));
    return after;
  }

  get(subject: string): Sealed {
    return this.#bySubject.get(subject) ?? nothingSealed;
  }

  withheld(): readonly Withheld[] {
    return [...this.#bySubject.values()].flatMap((sealed) => sealed.withheld);
  }
}
