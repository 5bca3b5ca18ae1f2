import type { MeshService } from "../../discovery/mesh-service.ts";
import type { ServiceId } from "../../mesh/ids.ts";
import { outboundName, targetOfEnvoyCluster } from "../../mesh/names.ts";
import type { Withheld } from "../../proxy/seal.ts";
import { nothingSealed } from "../../proxy/seal.ts";
import { isSameShape, routeResources } from "../../proxy/service-resources.ts";
import { SubjectSet } from "../../proxy/subject-set.ts";
import { targetsOf } from "../../proxy/targets.ts";
import type { Resource, ResourceKey } from "../../xds/resource.ts";
import type { ResourceSet } from "../../xds/resource-set.ts";

/**
 * The routes of the services that some proxy asked for by name. Routes are half of a service's bytes, and
 * a proxy uses those of its own upstreams only.
 */
export class RoutesOnDemand {
  readonly #serviceOf: (id: ServiceId) => MeshService | undefined;
  readonly #content: SubjectSet;
  readonly #built = new Set<ServiceId>();
  #isWanted = false;

  constructor(serviceOf: (id: ServiceId) => MeshService | undefined) {
    this.#serviceOf = serviceOf;
    this.#content = new SubjectSet("routes", { make: (key) => this.#make(key) });
  }

  set(): ResourceSet {
    this.#isWanted = true;
    return this.#content.set;
  }

  update(id: ServiceId, change: { readonly from?: MeshService; readonly to?: MeshService }): void {
    const { from, to } = change;
    if (!this.#isWanted) return;
    if (from !== undefined && to !== undefined && isSameShape(from, to)) return;
    if (!this.#built.has(id)) {
      // Somebody may wait for one of these names since before there was such a service.
      if (to !== undefined) this.#content.set.announce(routeKeys(to));
    } else if (to !== undefined) this.#content.put(id, routeResources(to));
    else {
      this.#built.delete(id);
      this.#content.put(id, nothingSealed);
    }
  }

  /** After something changed that all services depend on. */
  rebuild(): void {
    for (const id of this.#built) {
      const service = this.#serviceOf(id);
      if (service !== undefined) this.#content.put(id, routeResources(service));
    }
  }

  withheld(): readonly Withheld[] {
    return this.#content.withheld();
  }

  #make({ type, name }: ResourceKey): readonly Resource[] {
    const id = type === "route" ? targetOfEnvoyCluster(name)?.service : undefined;
    const service = id === undefined || this.#built.has(id) ? undefined : this.#serviceOf(id);
    if (id === undefined || service === undefined) return [];
    this.#built.add(id);
    return this.#content.keep(id, routeResources(service)).resources;
  }
}

function routeKeys(service: MeshService): readonly ResourceKey[] {
  return targetsOf(service).map(({ target }) => ({ type: "route", name: outboundName(target) }));
}
