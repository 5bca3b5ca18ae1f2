import type { Resource } from "../xds/resource.ts";
import { type Make, ResourceSet } from "../xds/resource-set.ts";
import type { Sealed, Withheld } from "./seal.ts";
import { editBetween, nothingSealed, withLastGood } from "./seal.ts";

/**
 * A shared set filled subject by subject (a service, a node), so that a change of one touches its
 * resources only. What a subject no longer has is removed; what could not be built stays as it was.
 */
export class SubjectSet {
  readonly set: ResourceSet;
  readonly #bySubject = new Map<string, Sealed>();

  /** `make` as `ResourceSet` takes it; what it makes is to be kept here. */
  constructor(name: string, options: { readonly make?: Make } = {}) {
    this.set = new ResourceSet(name, options);
  }

  /** Returns what the subject has now, last good versions included. */
  put(subject: string, sealed: Sealed): Sealed {
    const before = this.get(subject);
    const after = this.keep(subject, sealed);
    this.set.apply(editBetween(before, after));
    return after;
  }

  /** The same for what the set makes itself: it has it already. */
  keep(subject: string, sealed: Sealed): Sealed {
    const before = this.get(subject);
    const after = withSame(before, withLastGood(before, sealed));
    if (after.resources.length + after.withheld.length === 0) this.#bySubject.delete(subject);
    else this.#bySubject.set(subject, after);
    return after;
  }

  get(subject: string): Sealed {
    return this.#bySubject.get(subject) ?? nothingSealed;
  }

  withheld(): readonly Withheld[] {
    return [...this.#bySubject.values()].flatMap((sealed) => sealed.withheld);
  }
}

/** Of two resources with one content the older one stays: others hold it, and two would be kept. */
function withSame(before: Sealed, after: Sealed): Sealed {
  if (before.resources.length === 0) return after;
  const same = (resource: Resource): Resource =>
    before.resources.find(
      ({ type, name, version }) =>
        type === resource.type && name === resource.name && version === resource.version,
    ) ?? resource;
  return { ...after, resources: after.resources.map(same) };
}
