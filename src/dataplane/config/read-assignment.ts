import { formatHostPort } from "../../mesh/address.ts";
import { HealthStatus } from "../../xds/gen/envoy/config/core/v3/health_check_pb.ts";
import type {
  LbEndpoint,
  LocalityLbEndpoints,
} from "../../xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.ts";
import type { ClusterLoadAssignment } from "../../xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { ClusterLoadAssignmentSchema } from "../../xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { addressOf } from "./common.ts";
import type { AssignmentModel, HostModel } from "./model.ts";
import { decodeSupported, unsupported } from "./supported.ts";

const socketMatchNamespace = "envoy.transport_socket_match";
// Envoy's default: a level spills when less than 1/1.4 of it is healthy.
const defaultOverprovisioning = 140;

/** Throws MESH_XDS_UNSUPPORTED or MESH_XDS_RESOURCE_INVALID. */
export function readAssignment(bytes: Uint8Array): AssignmentModel {
  return assignmentOf(decodeSupported(ClusterLoadAssignmentSchema, bytes));
}

export function assignmentOf(message: ClusterLoadAssignment): AssignmentModel {
  const hosts = new Map<string, HostModel>();
  const priorities = new Set<number>();
  for (const [index, group] of message.endpoints.entries()) {
    priorities.add(group.priority);
    for (const host of hostsOf(group, `endpoints[${index}]`)) {
      // Envoy keeps the first of two hosts with one address.
      const key = formatHostPort(host.address);
      if (!hosts.has(key)) hosts.set(key, host);
    }
  }
  for (let level = 0; level < priorities.size; level++) {
    if (!priorities.has(level)) unsupported("endpoints.priority", `skips ${level}`);
  }
  return {
    overprovisioningPercent: message.policy?.overprovisioningFactor ?? defaultOverprovisioning,
    isHealthWeighted: message.policy?.weightedPriorityHealth ?? false,
    hosts: [...hosts.values()],
  };
}

function hostsOf(group: LocalityLbEndpoints, path: string): HostModel[] {
  const place = group.locality;
  const locality = [place?.region, place?.zone, place?.subZone].join("|");
  return group.lbEndpoints.map((entry, index) => ({
    ...hostOf(entry, `${path}.lbEndpoints[${index}]`),
    priority: group.priority,
    locality,
    localityWeight: group.loadBalancingWeight ?? 0,
  }));
}

function hostOf(
  entry: LbEndpoint,
  path: string,
): Pick<HostModel, "address" | "health" | "weight" | "labels"> {
  if (entry.hostIdentifier.case !== "endpoint") return unsupported(path, "holds no endpoint");
  const labels: Record<string, string> = {};
  for (const [key, value] of Object.entries(
    entry.metadata?.filterMetadata[socketMatchNamespace] ?? {},
  )) {
    if (typeof value === "string") labels[key] = value;
  }
  return {
    address: addressOf(entry.hostIdentifier.value.address, path),
    health: healthOf(entry.healthStatus),
    weight: entry.loadBalancingWeight ?? 1,
    labels,
  };
}

const healthyStatuses: readonly HealthStatus[] = [
  HealthStatus.UNKNOWN,
  HealthStatus.HEALTHY,
  HealthStatus.DEGRADED,
];

function healthOf(status: HealthStatus): HostModel["health"] {
  if (healthyStatuses.includes(status)) return "healthy";
  return status === HealthStatus.DRAINING ? "draining" : "unhealthy";
}
