import type { Resource } from "../xds/resource.ts";
import { ResourceSet } from "../xds/resource-set.ts";
import type { Sealed, Withheld } from "./seal.ts";
import { nothingSealed, withLastGood } from "./seal.ts";

/**
 * A shared set whose resources are named after something that subjects take over from each other, as an address
 * is by one workload after another. What two claim at a time belongs to whoever came first; the other gets it
 * when that one lets go, in whichever order the two are heard of.
 */
export class ClaimedSet {
  readonly set: ResourceSet;
  readonly #bySubject = new Map<string, Sealed>();
  /** By type and name; each by subject, in order of arrival. */
  readonly #claims = new Map<string, Map<string, Resource>>();

  constructor(name: string) {
    this.set = new ResourceSet(name);
  }

  /** Returns what the subject has or claims now, last good versions included. */
  put(subject: string, sealed: Sealed): Sealed {
    const before = this.get(subject);
    const after = withLastGood(before, sealed);
    if (after.resources.length + after.withheld.length === 0) this.#bySubject.delete(subject);
    else this.#bySubject.set(subject, after);
    const touched = new Map<string, Resource>();
    for (const resource of [...before.resources, ...after.resources]) {
      touched.set(keyText(resource), resource);
    }
    const wanted = new Map(after.resources.map((resource) => [keyText(resource), resource]));
    for (const key of touched.keys()) this.#claim(key, { subject, resource: wanted.get(key) });
    const edit = { upserts: [] as Resource[], removed: [] as Resource[] };
    for (const [key, resource] of touched) {
      const [owned] = this.#claims.get(key)?.values() ?? [];
      if (owned === undefined) edit.removed.push(resource);
      else edit.upserts.push(owned);
    }
    this.set.apply(edit);
    return after;
  }

  get(subject: string): Sealed {
    return this.#bySubject.get(subject) ?? nothingSealed;
  }

  /** What is another's is held back as well. */
  withheld(): readonly Withheld[] {
    const refused = [...this.#bySubject.values()].flatMap((sealed) => sealed.withheld);
    const others = [...this.#claims.values()].flatMap((claims) => {
      const [owner, ...late] = claims;
      return late.map(([subject, { type, name }]) => {
        return { type, name, reason: `${owner?.[0] ?? ""} has it, ${subject} claims it too` };
      });
    });
    return [...refused, ...others];
  }

  #claim(
    key: string,
    of: { readonly subject: string; readonly resource: Resource | undefined },
  ): void {
    const claims = this.#claims.get(key) ?? new Map<string, Resource>();
    if (of.resource === undefined) claims.delete(of.subject);
    else claims.set(of.subject, of.resource);
    if (claims.size === 0) this.#claims.delete(key);
    else this.#claims.set(key, claims);
  }
}

function keyText({ type, name }: Pick<Resource, "type" | "name">): string {
  return `${type} ${name}`;
}
