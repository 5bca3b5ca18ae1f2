import { create } from "@bufbuild/protobuf";
import { outboundName } from "../../mesh/names.ts";
import type { Endpoint } from "../../mesh/service.ts";
import { HealthStatus } from "../../xds/gen/envoy/config/core/v3/health_check_pb.ts";
import type { LocalityLbEndpoints } from "../../xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.ts";
import { LocalityLbEndpointsSchema } from "../../xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.ts";
import type { ClusterLoadAssignment } from "../../xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { ClusterLoadAssignmentSchema } from "../../xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { levelsFor } from "../levels/levels.ts";
import type { PlannedHost, PlannedLevel } from "../levels/plan.ts";
import { hostsOf, isHealthy } from "../levels/plan.ts";
import type { GrpcSecurity } from "../node.ts";
import { atPort, type TargetPlan } from "../targets.ts";
import type { Viewer } from "../viewer.ts";
import { socketAddress } from "./wire.ts";

/**
 * The EDS answer of a target for gRPC programs: the same order as for sidecars, of whoever they can speak to.
 * Only healthy hosts: these clients ignore the others, know no spilling over between levels, and take the
 * next one when nobody of a level can be connected to.
 */
export function grpcEndpoints(
  plan: TargetPlan,
  options: { readonly viewer: Viewer; readonly security: GrpcSecurity },
): ClusterLoadAssignment {
  const { viewer, security } = options;
  const levels = levelsFor(reachable(plan, security), viewer).map(withoutDead);
  const filled = levels.filter((level) => hostsOf(level).length > 0);
  return create(ClusterLoadAssignmentSchema, {
    clusterName: outboundName(plan.target),
    endpoints: filled.flatMap(localitiesOf),
  });
}

/** One transport for all hosts of an Envoy cluster is all that these clients know. */
function reachable(plan: TargetPlan, security: GrpcSecurity): TargetPlan {
  const { local } = plan;
  const isProven = ({ sidecars }: Endpoint): boolean =>
    atPort(sidecars, plan.port.name) !== undefined;
  // Without the dead, too: a proxy's weights make up for what it does not count, these clients' do not.
  const isFit = (endpoint: Endpoint): boolean =>
    endpoint.health === "healthy" && isProven(endpoint) === (security === "mtls");
  return {
    ...plan,
    ...(local === undefined
      ? {}
      : { local: { ...local, endpoints: local.endpoints.filter(isFit) } }),
    remotes: security === "mtls" ? plan.remotes : [],
  };
}

// A placeholder stands for what is missing, which no one here asks for: it would be dialled.
function withoutDead(level: PlannedLevel): PlannedLevel {
  const isAlive = (host: PlannedHost): boolean => isHealthy(host) && host.via.t !== "placeholder";
  const localities = level.localities
    .map((locality) => ({ ...locality, hosts: locality.hosts.filter(isAlive) }))
    .filter(({ hosts }) => hosts.length > 0);
  return { ...level, localities };
}

function localitiesOf(level: PlannedLevel, priority: number): LocalityLbEndpoints[] {
  return level.localities.map(({ region, zone, weight, hosts }) =>
    create(LocalityLbEndpointsSchema, {
      locality: { region, zone },
      priority,
      loadBalancingWeight: weight,
      lbEndpoints: hosts.map((host) => ({
        hostIdentifier: {
          case: "endpoint" as const,
          value: { address: socketAddress({ host: host.address, port: host.port }) },
        },
        healthStatus: HealthStatus.HEALTHY,
        loadBalancingWeight: host.weight,
      })),
    }),
  );
}
