import type { MeshService } from "../../discovery/mesh-service.ts";
import { grpcClusters, grpcNames, grpcZone } from "../../proxy/grpc-resources.ts";
import { type GrpcNode, type GrpcSecurity, grpcSecurities } from "../../proxy/node.ts";
import { isSameShape, type ResourceContext } from "../../proxy/service-resources.ts";
import type { Viewer } from "../../proxy/viewer.ts";
import type { ResourceSet } from "../../xds/resource-set.ts";
import { Audience } from "./audience.ts";
import { ViewedAudiences } from "./viewed-audiences.ts";

export interface GrpcSetsOptions {
  readonly services: () => Iterable<MeshService>;
  readonly context: () => ResourceContext;
  /** As a caller in that zone sees the mesh. */
  readonly viewer: (zone: string) => Viewer;
}

/** The resources of all services for programs that speak gRPC without a sidecar. */
export class GrpcSets {
  readonly #options: GrpcSetsOptions;
  readonly #names: Audience;
  readonly #clusters: Readonly<Record<GrpcSecurity, Audience>>;
  readonly #zones = new ViewedAudiences();

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
  enter(node: GrpcNode): readonly ResourceSet[] {
    const clusters = this.#clusters[node.security].set();
    const zone = this.#zones.enter(zoneKey(node), () => this.#audienceFor(node));
    return [zone.set(), clusters, this.#names.set()];
  }

  leave(node: GrpcNode): void {
    this.#zones.leave(zoneKey(node));
  }

  /** How many zones cost an assignment of every service now. */
  get zoneCount(): number {
    return this.#zones.size;
  }

  hasZone(node: GrpcNode): boolean {
    return this.#zones.has(zoneKey(node));
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
    return this.#zones.audiences();
  }

  #audienceFor({ security, zone }: GrpcNode): Audience {
    const { services, viewer } = this.#options;
    return new Audience(`grpc ${security} zone=${zone}`, {
      services,
      build: (service) =>
        grpcZone(service, {
          viewer: viewer(zone),
          security,
          clusters: this.#clusters[security].get(service.id),
        }),
      isSame: (a, b) => a === b,
    });
  }
}

function zoneKey({ security, zone }: GrpcNode): string {
  return `${security} ${zone}`;
}
