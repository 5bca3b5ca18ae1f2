import type { MeshService } from "../../discovery/mesh-service.ts";
import type { ServiceId } from "../../mesh/ids.ts";
import { grpcClusters, grpcNames, grpcZone } from "../../proxy/grpc-resources.ts";
import { type GrpcNode, type GrpcSecurity, grpcSecurities } from "../../proxy/node.ts";
import { isSameShape, type ResourceContext } from "../../proxy/service-resources.ts";
import type { Viewer } from "../../proxy/viewer.ts";
import type { ResourceSet } from "../../xds/resource-set.ts";
import { Audience } from "./audience.ts";

export interface GrpcSetsOptions {
  readonly services: () => Iterable<MeshService>;
  readonly context: () => ResourceContext;
  /** As a caller in that zone sees the mesh. */
  readonly viewer: (zone: string) => Viewer;
}

interface Zone {
  readonly audience: Audience;
  streams: number;
}

/** The resources of all services for programs that speak gRPC without a sidecar. */
export class GrpcSets {
  readonly #options: GrpcSetsOptions;
  readonly #names: Audience;
  readonly #clusters: Readonly<Record<GrpcSecurity, Audience>>;
  readonly #zones = new Map<string, Zone>();

  constructor(options: GrpcSetsOptions) {
    this.#options = options;
    const { services, context } = options;
    this.#names = new Audience("grpc", { services, build: grpcNames, isSame: isSameShape });
    const clustersFor = (security: GrpcSecurity): Audience =>
      new Audience(`grpc ${security}`, {
        services,
        build: (service) => grpcClusters(service, { context: context(), security }),
        isSame: isSameShape,
      });
    this.#clusters = { mtls: clustersFor("mtls"), plaintext: clustersFor("plaintext") };
  }

  /** What a stream of this node views; `leave` when it ends. */
  enter({ security, zone }: GrpcNode): readonly ResourceSet[] {
    const clusters = this.#clusters[security].set();
    const known = this.#zoneOf(security, zone);
    known.streams += 1;
    return [known.audience.set(), clusters, this.#names.set()];
  }

  leave({ security, zone }: GrpcNode): void {
    const key = `${security} ${zone}`;
    const known = this.#zones.get(key);
    if (known === undefined) return;
    known.streams -= 1;
    if (known.streams === 0) this.#zones.delete(key);
  }

  /** How many zones cost an assignment of every service now. */
  get zoneCount(): number {
    return this.#zones.size;
  }

  hasZone({ security, zone }: GrpcNode): boolean {
    return this.#zones.has(`${security} ${zone}`);
  }

  /** In the order in which they must follow each other. */
  audiences(): readonly Audience[] {
    return [
      this.#names,
      ...grpcSecurities.map((security) => this.#clusters[security]),
      ...this.zones(),
    ];
  }

  zones(): readonly Audience[] {
    return [...this.#zones.values()].map(({ audience }) => audience);
  }

  #zoneOf(security: GrpcSecurity, zone: string): Zone {
    const key = `${security} ${zone}`;
    const known = this.#zones.get(key);
    if (known !== undefined) return known;
    const build = (service: MeshService): ReturnType<typeof grpcZone> =>
      grpcZone(service, {
        viewer: this.#options.viewer(zone),
        security,
        clusters: this.#clustersOf(security, service.id),
      });
    const { services } = this.#options;
    const isSame = (a: MeshService, b: MeshService): boolean => a === b;
    const audience = new Audience(`grpc ${security} zone=${zone}`, { services, build, isSame });
    const added = { audience, streams: 0 };
    this.#zones.set(key, added);
    return added;
  }

  #clustersOf(security: GrpcSecurity, id: ServiceId): ReturnType<Audience["get"]> {
    return this.#clusters[security].get(id);
  }
}
