import type { MeshService } from "../../discovery/mesh-service.ts";
import { MeshError } from "../../mesh/errors.ts";
import type { ServiceId } from "../../mesh/ids.ts";
import { ClaimedSet } from "../../proxy/claimed-set.ts";
import { CallerSpread, dependsOnCallers } from "../../proxy/levels/callers.ts";
import type { GrpcNode, ProxyNode, SidecarNode } from "../../proxy/node.ts";
import type { Withheld } from "../../proxy/seal.ts";
import type { ResourceContext } from "../../proxy/service-resources.ts";
import {
  capturedResources,
  isSameCaptured,
  isSameShape,
  sidecarResources,
  zoneResources,
} from "../../proxy/service-resources.ts";
import type { Viewer } from "../../proxy/viewer.ts";
import type { ResourceSet } from "../../xds/resource-set.ts";
import { Audience } from "./audience.ts";
import { type DoorAddress, DoorSets } from "./door-sets.ts";
import { GrpcSets } from "./grpc-sets.ts";
import { RoutesOnDemand } from "./routes-on-demand.ts";
import { ViewedAudiences } from "./viewed-audiences.ts";

// Each costs an assignment of every service, and a zone is only a claim. No region has as many.
const maxZones = 64;

/** The resources of all services: for gateways, for sidecars and gRPC programs, and for those of one zone. */
export class ServiceSets {
  readonly #place: Omit<Viewer, "zone" | "callers">;
  readonly #services = new Map<ServiceId, MeshService>();
  readonly #sidecar: Audience;
  /** For sidecars whose applications dial services by their own addresses. */
  readonly #captured: Audience;
  readonly #importIps = new Map<ServiceId, readonly string[]>();
  readonly #routes: RoutesOnDemand;
  readonly #doors: DoorSets;
  readonly #grpc: GrpcSets;
  /** Those of sidecars. */
  readonly #zones = new ViewedAudiences();
  /** By some proxy: a start takes thousands of services before the first one comes. */
  #isAsked = false;
  #context: ResourceContext;
  readonly #callers = new CallerSpread();

  constructor(
    place: Omit<Viewer, "zone" | "callers">,
    options: { readonly context: ResourceContext; readonly doors: readonly DoorAddress[] },
  ) {
    this.#place = place;
    this.#context = options.context;
    const services = (): Iterable<MeshService> => this.#services.values();
    this.#sidecar = new Audience("sidecar", {
      services,
      build: (service) => sidecarResources(service, this.#context),
      isSame: isSameShape,
    });
    this.#captured = new Audience("captured", {
      services,
      build: (service) =>
        capturedResources(service, {
          context: this.#context,
          importIps: this.#importIps.get(service.id) ?? [],
        }),
      isSame: isSameCaptured,
      content: new ClaimedSet("captured"),
    });
    this.#routes = new RoutesOnDemand((id) => this.#services.get(id));
    this.#doors = new DoorSets({
      place,
      addresses: options.doors,
      services,
      settings: () => this.#context.settings,
    });
    this.#grpc = new GrpcSets({
      services,
      context: () => this.#context,
      viewer: (zone) => this.viewer(zone),
    });
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
    const { told: callers } = this.#callers;
    return callers === undefined ? base : { ...base, callers };
  }

  update(id: ServiceId, service: MeshService | undefined): void {
    const before = this.#services.get(id);
    if (service === undefined) this.#services.delete(id);
    else this.#services.set(id, service);
    if (!this.#isAsked) return;
    const change = {
      ...(before === undefined ? {} : { from: before }),
      ...(service === undefined ? {} : { to: service }),
    };
    // Endpoints take over the version of their cluster, so they come last.
    for (const audience of this.#audiences()) audience.update(id, change);
  }

  /** Where applications of this member dial the `clusterset.local` name of a service; none: nowhere. */
  setImportIps(id: ServiceId, ips: readonly string[]): void {
    if (ips.length === 0) this.#importIps.delete(id);
    else this.#importIps.set(id, ips);
    this.#captured.rebuild((service) => service.id === id);
  }

  /** Touches every service. */
  setContext(context: ResourceContext): void {
    this.#context = context;
    for (const audience of this.#audiences()) audience.rebuild();
  }

  /** What a stream of this node views; `leave` it when the stream ends. Throws MESH_XDS_REQUEST_REFUSED. */
  enter(node: ProxyNode): readonly ResourceSet[] {
    this.#isAsked = true;
    if (node.t === "gateway") return [this.#doors.enter(node)];
    this.#refuseOneZoneTooMany(node);
    if (node.t === "grpc") return this.#grpc.enter(node);
    const shared = [
      this.#sidecar.set(),
      ...(node.engine === "envoy" ? [this.#routes.set()] : []),
      ...(node.capture === undefined ? [] : [this.#captured.set()]),
    ];
    const zone = this.#zones.enter(node.zone, () => this.#audienceFor(node.zone));
    return [zone.set(), ...shared];
  }

  leave(node: ProxyNode): void {
    if (node.t === "grpc") return this.#grpc.leave(node);
    if (node.t === "gateway") return this.#doors.leave(node);
    this.#zones.leave(node.zone);
  }

  /** May touch the endpoints of every service that this member has in several zones. */
  refreshCallers(): void {
    if (!this.#callers.look(this.#zones.streams())) return;
    for (const audience of [...this.#zones.audiences(), ...this.#grpc.zones()]) {
      audience.rebuild(({ local }) => dependsOnCallers(local));
    }
  }

  withheld(): readonly Withheld[] {
    return this.#audiences().flatMap((audience) => [...audience.withheld()]);
  }

  #audienceFor(zone: string): Audience {
    return new Audience(`sidecar zone=${zone}`, {
      services: () => this.#services.values(),
      build: (service) => {
        const sidecar = this.#sidecar.get(service.id);
        return zoneResources(service, { viewer: this.viewer(zone), sidecar });
      },
      isSame: (a, b) => a === b,
    });
  }

  #audiences(): readonly (Audience | RoutesOnDemand)[] {
    const shared = [...this.#doors.audiences(), this.#sidecar, this.#captured, this.#routes];
    return [...shared, ...this.#zones.audiences(), ...this.#grpc.audiences()];
  }

  #refuseOneZoneTooMany(node: SidecarNode | GrpcNode): void {
    const isKnown = node.t === "grpc" ? this.#grpc.hasZone(node) : this.#zones.has(node.zone);
    if (isKnown || this.#zones.size + this.#grpc.zoneCount < maxZones) return;
    throw new MeshError(
      "MESH_XDS_REQUEST_REFUSED",
      `Cannot serve zone "${node.zone}": callers in ${maxZones} zones are served already`,
    );
  }
}
