import { create } from "@bufbuild/protobuf";
import { outboundName } from "../../mesh/names.ts";
import type { Health } from "../../mesh/service.ts";
import { MetadataSchema } from "../../xds/gen/envoy/config/core/v3/base_pb.ts";
import { HealthStatus } from "../../xds/gen/envoy/config/core/v3/health_check_pb.ts";
import type {
  LbEndpoint,
  LocalityLbEndpoints,
} from "../../xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.ts";
import {
  LbEndpointSchema,
  LocalityLbEndpointsSchema,
} from "../../xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.ts";
import type {
  ClusterLoadAssignment,
  ClusterLoadAssignment_Policy,
} from "../../xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import {
  ClusterLoadAssignment_PolicySchema,
  ClusterLoadAssignmentSchema,
} from "../../xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { shared } from "../../xds/shared.ts";
import { levelsFor } from "../levels/levels.ts";
import type { PlannedHost, PlannedLevel, PlannedLocality } from "../levels/plan.ts";
import { type SparedLevels, withSpareGateways } from "../levels/spare-gateways.ts";
import { overprovisioningFactor } from "../settings.ts";
import { isSameOffer, type TargetPlan } from "../targets.ts";
import type { Viewer } from "../viewer.ts";
import { remembered } from "./remembered.ts";
import { socketAddress } from "./wire.ts";

/** The EDS answers of a service's targets, in their order, for sidecars in the viewer's zone. */
export function sidecarEndpoints(
  plans: readonly TargetPlan[],
  viewer: Viewer,
): ClusterLoadAssignment[] {
  let last: { readonly plan: TargetPlan; readonly content: Content } | undefined;
  return plans.map((plan) => {
    // Both names of an exported port mostly lead to the same hosts.
    if (last === undefined || !isSameOffer(last.plan, plan)) {
      last = { plan, content: contentOf(withSpareGateways(levelsFor(plan, viewer))) };
    }
    return assignment(outboundName(plan.target), last.content);
  });
}

/** Levels as Envoy's priorities. Judged by weight: levels mix pods with gateways that stand for many. */
export function assignmentOf(
  clusterName: string,
  levels: readonly PlannedLevel[],
): ClusterLoadAssignment {
  return assignment(clusterName, contentOf({ levels, factor: overprovisioningFactor }));
}

interface Content {
  readonly endpoints: LocalityLbEndpoints[];
  readonly policy: ClusterLoadAssignment_Policy;
}

function assignment(clusterName: string, content: Content): ClusterLoadAssignment {
  return create(ClusterLoadAssignmentSchema, { clusterName, ...content });
}

function contentOf({ levels, factor }: SparedLevels): Content {
  const endpoints = levels.flatMap((level, priority) =>
    level.localities.map((locality) => localityEndpoints(locality, priority)),
  );
  return { endpoints, policy: policyWith(factor) };
}

const policyWith = remembered((factor: number) =>
  shared(ClusterLoadAssignment_PolicySchema, {
    overprovisioningFactor: factor,
    weightedPriorityHealth: true,
  }),
);

function localityEndpoints(locality: PlannedLocality, priority: number): LocalityLbEndpoints {
  return create(LocalityLbEndpointsSchema, {
    locality: { region: locality.region, zone: locality.zone },
    priority,
    loadBalancingWeight: locality.weight,
    lbEndpoints: locality.hosts.map(lbEndpoint),
  });
}

const healthStatus: Readonly<Record<Health, HealthStatus>> = {
  healthy: HealthStatus.HEALTHY,
  draining: HealthStatus.DRAINING,
  unhealthy: HealthStatus.UNHEALTHY,
};

function lbEndpoint(host: PlannedHost): LbEndpoint {
  const address = socketAddress({ host: host.address, port: host.port });
  const isPlain = host.via.t === "direct" && !host.via.hasSidecar;
  return create(LbEndpointSchema, {
    hostIdentifier: { case: "endpoint", value: { address } },
    healthStatus: healthStatus[host.health],
    loadBalancingWeight: host.weight,
    ...(isPlain ? {} : { metadata: speaksMtls }),
  });
}

/** Where a cluster's `transportSocketMatches` look for what an endpoint speaks. */
const transportMatchNamespace = "envoy.transport_socket_match";

const speaksMtls = shared(MetadataSchema, {
  filterMetadata: { [transportMatchNamespace]: { mtls: "true" } },
});
