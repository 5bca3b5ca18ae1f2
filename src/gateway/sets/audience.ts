import type { MeshService } from "../../discovery/mesh-service.ts";
import type { ServiceId } from "../../mesh/ids.ts";
import type { Sealed, Withheld } from "../../proxy/seal.ts";
import { nothingSealed } from "../../proxy/seal.ts";
import { SubjectSet } from "../../proxy/subject-set.ts";
import type { ResourceSet } from "../../xds/resource-set.ts";

/** What holds an audience's resources, service by service. */
type Content = Pick<SubjectSet, "set" | "put" | "get" | "withheld">;

export interface AudienceOptions {
  readonly services: () => Iterable<MeshService>;
  readonly build: (service: MeshService) => Sealed;
  /** Whether both give the same resources in one context. */
  readonly isSame: (a: MeshService, b: MeshService) => boolean;
  /** Default: one where each resource can only ever be one service's. */
  readonly content?: Content;
}

/**
 * The resources of all services for one kind of proxy. Nothing is built before the first such proxy
 * comes: a start loads each service several times, and many members run only one kind.
 */
export class Audience {
  readonly #options: AudienceOptions;
  readonly #content: Content;
  #isWanted = false;

  constructor(name: string, options: AudienceOptions) {
    this.#options = options;
    this.#content = options.content ?? new SubjectSet(name);
  }

  /** Builds all of it at the first call. */
  set(): ResourceSet {
    if (!this.#isWanted) {
      this.#isWanted = true;
      this.rebuild();
    }
    return this.#content.set;
  }

  /** What a service has here now. */
  get(id: ServiceId): Sealed {
    return this.#content.get(id);
  }

  update(id: ServiceId, change: { readonly from?: MeshService; readonly to?: MeshService }): void {
    const { from, to } = change;
    if (!this.#isWanted) return;
    if (to === undefined) this.#content.put(id, nothingSealed);
    else if (from === undefined || !this.#options.isSame(from, to)) this.#build(to);
  }

  /** After something changed that these services depend on; default: all of them. */
  rebuild(isConcerned: (service: MeshService) => boolean = () => true): void {
    if (!this.#isWanted) return;
    for (const service of this.#options.services()) if (isConcerned(service)) this.#build(service);
  }

  withheld(): readonly Withheld[] {
    return this.#content.withheld();
  }

  #build(service: MeshService): void {
    this.#content.put(service.id, this.#options.build(service));
  }
}
