import type { MeshService } from "../discovery/mesh-service.ts";
import type { GrpcSecurity } from "./node.ts";
import { grpcCluster } from "./resources/grpc-clusters.ts";
import { grpcEndpoints } from "./resources/grpc-endpoints.ts";
import { grpcListeners, grpcRoute } from "./resources/grpc-listeners.ts";
import { identitiesOf } from "./resources/validation-contexts.ts";
import type { Draft, Sealed } from "./seal.ts";
import { nothingSealed, seal } from "./seal.ts";
import { clusterVersions, type ResourceContext } from "./service-resources.ts";
import { targetsOf } from "./targets.ts";
import type { Viewer } from "./viewer.ts";

/** The part of a service that every gRPC program of this member sees: LDS and RDS. */
export function grpcNames(service: MeshService): Sealed {
  const plans = targetsOf(service);
  return seal([
    ...grpcListeners(plans).map((message): Draft => ({ t: "listener", message })),
    ...plans.map((plan): Draft => ({ t: "route", message: grpcRoute(plan) })),
  ]);
}

/**
 * CDS. Nothing while nobody is known who may answer with a proof: a list without names would let anybody
 * answer.
 */
export function grpcClusters(
  service: MeshService,
  options: { readonly context: ResourceContext; readonly security: GrpcSecurity },
): Sealed {
  const { context, security } = options;
  const peers = security === "mtls" ? identitiesOf(service, context.trust) : undefined;
  if (peers?.length === 0) return nothingSealed;
  return seal(
    targetsOf(service).map((plan): Draft => ({ t: "cluster", message: grpcCluster(plan, peers) })),
  );
}

/** EDS for one zone; `clusters` is what `grpcClusters` gave for this service. */
export function grpcZone(
  service: MeshService,
  options: {
    readonly viewer: Viewer;
    readonly security: GrpcSecurity;
    readonly clusters: Sealed;
  },
): Sealed {
  const versions = clusterVersions(options.clusters);
  return seal(
    targetsOf(service).map((plan): Draft => {
      const message = grpcEndpoints(plan, options);
      return { t: "endpoint", message, after: versions.get(message.clusterName) ?? "" };
    }),
  );
}
