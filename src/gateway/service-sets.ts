import type { MeshService } from "../discovery/mesh-service.ts";
import type { ServiceId } from "../mesh/ids.ts";
import type { Callers } from "../proxy/callers.ts";
import { coarseCallers, isSameCallers } from "../proxy/callers.ts";
import type { Withheld } from "../proxy/seal.ts";
import { nothingSealed } from "../proxy/seal.ts";
import type { ResourceContext } from "../proxy/service-resources.ts";
import { isSameShape, sidecarResources, zoneResources } from "../proxy/service-resources.ts";
import { SubjectSet } from "../proxy/subject-set.ts";
import type { Viewer } from "../proxy/viewer.ts";
import type { ResourceSet } from "../xds/resource-set.ts";
import { gatewayResources } from "./resources.ts";

interface ZoneContent {
  readonly content: SubjectSet;
  /** Streams of sidecars in this zone. */
  callers: number;
}

/** The resources of all services: one set for sidecars, one for gateways, one for each caller's zone. */
export class ServiceSets {
  readonly #place: Omit<Viewer, "zone" | "callers">;
  readonly #services = new Map<ServiceId, MeshService>();
  readonly #sidecar = new SubjectSet("sidecar");
  readonly #gateway = new SubjectSet("gateway");
  readonly #zones = new Map<string, ZoneContent>();
  #context: ResourceContext;
  #callers: Callers | undefined;

  constructor(place: Omit<Viewer, "zone" | "callers">, context: ResourceContext) {
    this.#place = place;
    this.#context = context;
  }

  get sidecar(): ResourceSet {
    return this.#sidecar.set;
  }

  get gateway(): ResourceSet {
    return this.#gateway.set;
  }

  service(id: ServiceId): MeshService | undefined {
    return this.#services.get(id);
  }

  services(): Iterable<MeshService> {
    return this.#services.values();
  }

  /** As a sidecar in that zone sees the mesh. */
  viewer(zone: string): Viewer {
    const base = { ...this.#place, zone };
    return this.#callers === undefined ? base : { ...base, callers: this.#callers };
  }

  update(id: ServiceId, service: MeshService | undefined): void {
    const before = this.#services.get(id);
    if (service === undefined) this.#services.delete(id);
    else this.#services.set(id, service);
    this.#build(id, before);
  }

  /** Touches every service. */
  setContext(context: ResourceContext): void {
    this.#context = context;
    for (const id of this.#services.keys()) this.#build(id);
  }

  enterZone(zone: string): ResourceSet {
    const known = this.#zones.get(zone);
    if (known !== undefined) {
      known.callers += 1;
      return known.content.set;
    }
    const content = new SubjectSet(`sidecar zone=${zone}`);
    this.#zones.set(zone, { content, callers: 1 });
    this.#buildZone(zone);
    return content.set;
  }

  leaveZone(zone: string): void {
    const known = this.#zones.get(zone);
    if (known === undefined) return;
    known.callers -= 1;
    if (known.callers === 0) this.#zones.delete(zone);
  }

  /** May touch the endpoints of every service. */
  refreshCallers(): void {
    const counts = new Map([...this.#zones].map(([zone, { callers }]) => [zone, callers]));
    const callers = coarseCallers(counts);
    if (this.#callers !== undefined && isSameCallers(callers, this.#callers)) return;
    this.#callers = callers;
    for (const zone of this.#zones.keys()) this.#buildZone(zone);
  }

  withheld(): readonly Withheld[] {
    const zones = [...this.#zones.values()].map(({ content }) => content);
    return [this.#sidecar, this.#gateway, ...zones].flatMap((content) => [...content.withheld()]);
  }

  #build(id: ServiceId, before?: MeshService): void {
    const service = this.#services.get(id);
    if (service === undefined || service.local !== before?.local) this.#buildGateway(id);
    if (service === undefined || before === undefined || !isSameShape(service, before)) {
      this.#buildSidecar(id);
    }
    for (const [zone, { content }] of this.#zones) this.#buildEndpoints(id, { zone, content });
  }

  #buildGateway(id: ServiceId): void {
    const service = this.#services.get(id);
    const options = { place: this.#place, settings: this.#context.settings };
    const sealed = service === undefined ? nothingSealed : gatewayResources(service, options);
    this.#gateway.put(id, sealed);
  }

  #buildSidecar(id: ServiceId): void {
    const service = this.#services.get(id);
    const sealed = service === undefined ? nothingSealed : sidecarResources(service, this.#context);
    this.#sidecar.put(id, sealed);
  }

  #buildZone(zone: string): void {
    const content = this.#zones.get(zone)?.content;
    if (content === undefined) return;
    for (const id of this.#services.keys()) this.#buildEndpoints(id, { zone, content });
  }

  #buildEndpoints(
    id: ServiceId,
    at: { readonly zone: string; readonly content: SubjectSet },
  ): void {
    const service = this.#services.get(id);
    const options = { viewer: this.viewer(at.zone), sidecar: this.#sidecar.get(id) };
    at.content.put(id, service === undefined ? nothingSealed : zoneResources(service, options));
  }
}
