import type { JsonObject } from "@bufbuild/protobuf";
import type { Cluster } from "../../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import {
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  ClusterSchema,
} from "../../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { RoutingPriority } from "../../xds/gen/envoy/config/core/v3/base_pb.ts";
import { msOf, upstreamTlsOf } from "./common.ts";
import type { ClusterModel, OutlierModel, SocketMatch } from "./model.ts";
import { assignmentOf } from "./read-assignment.ts";
import { decodeSupported, unsupported } from "./supported.ts";

// Envoy's defaults, each under the name of its field.
const defaultConnectTimeoutMs = 5_000;
const defaultMaxConnections = 1_024;
const defaultPanicPercent = 50;
const defaultOutlier = {
  consecutive: 5,
  intervalMs: 10_000,
  baseMs: 30_000,
  maxMs: 300_000,
  maxPercent: 10,
};

/** Throws MESH_XDS_UNSUPPORTED or MESH_XDS_RESOURCE_INVALID. */
export function readCluster(bytes: Uint8Array): ClusterModel {
  const cluster = decodeSupported(ClusterSchema, bytes);
  const tls = upstreamTlsOf(cluster.transportSocket, "transportSocket");
  const outlier = outlierOf(cluster);
  const keepaliveSeconds = cluster.upstreamConnectionOptions?.tcpKeepalive?.keepaliveTime;
  return {
    name: cluster.name,
    source: sourceOf(cluster),
    connectTimeoutMs: msOf(cluster.connectTimeout, defaultConnectTimeoutMs),
    policy: policyOf(cluster.lbPolicy),
    panicPercent: cluster.commonLbConfig?.healthyPanicThreshold?.value ?? defaultPanicPercent,
    isLocalityWeighted:
      cluster.commonLbConfig?.localityConfigSpecifier.case === "localityWeightedLbConfig",
    ...(outlier === undefined ? {} : { outlier }),
    ...limitsOf(cluster),
    ...(keepaliveSeconds === undefined ? {} : { keepaliveIdleMs: keepaliveSeconds * 1000 }),
    closesOnEjection: cluster.closeConnectionsOnHostHealthFailure,
    ...(tls === undefined ? {} : { tls }),
    socketMatches: cluster.transportSocketMatches.map((entry, index) => {
      const path = `transportSocketMatches[${index}]`;
      return socketMatchOf(
        { labels: entry.match, tls: upstreamTlsOf(entry.transportSocket, path) },
        path,
      );
    }),
  };
}

function sourceOf(cluster: Cluster): ClusterModel["source"] {
  const type =
    cluster.clusterDiscoveryType.case === "type" ? cluster.clusterDiscoveryType.value : undefined;
  if (type === Cluster_DiscoveryType.EDS) {
    return { t: "eds", name: cluster.edsClusterConfig?.serviceName || cluster.name };
  }
  if (type !== Cluster_DiscoveryType.STATIC)
    return unsupported("type", "is neither EDS nor STATIC");
  if (cluster.loadAssignment === undefined) return unsupported("loadAssignment", "is missing");
  return { t: "static", assignment: assignmentOf(cluster.loadAssignment) };
}

const policies: ReadonlyMap<Cluster_LbPolicy, ClusterModel["policy"]> = new Map([
  [Cluster_LbPolicy.ROUND_ROBIN, "round-robin"],
  [Cluster_LbPolicy.LEAST_REQUEST, "least-request"],
  [Cluster_LbPolicy.RANDOM, "random"],
]);

function policyOf(policy: Cluster_LbPolicy): ClusterModel["policy"] {
  return (
    policies.get(policy) ??
    unsupported("lbPolicy", `is number ${policy}, which this engine does not have`)
  );
}

function limitsOf(cluster: Cluster): Pick<ClusterModel, "maxConnections" | "maxPending"> {
  const limits = cluster.circuitBreakers?.thresholds.find(
    ({ priority }) => priority === RoutingPriority.DEFAULT,
  );
  return {
    maxConnections: limits?.maxConnections ?? defaultMaxConnections,
    maxPending: limits?.maxPendingRequests ?? defaultMaxConnections,
  };
}

/** Undefined: no host is ever ejected. */
function outlierOf({ outlierDetection: settings }: Cluster): OutlierModel | undefined {
  if (settings === undefined) return undefined;
  // Without the split Envoy counts connect failures as gateway errors; here they are all there is.
  if (settings.enforcingConsecutiveLocalOriginFailure === 0) return undefined;
  return {
    consecutiveFailures: settings.consecutiveLocalOriginFailure ?? defaultOutlier.consecutive,
    intervalMs: msOf(settings.interval, defaultOutlier.intervalMs),
    baseEjectionMs: msOf(settings.baseEjectionTime, defaultOutlier.baseMs),
    maxEjectionMs: msOf(settings.maxEjectionTime, defaultOutlier.maxMs),
    maxEjectionPercent: settings.maxEjectionPercent ?? defaultOutlier.maxPercent,
  };
}

function socketMatchOf(
  entry: { readonly labels: JsonObject | undefined; readonly tls: SocketMatch["tls"] },
  path: string,
): SocketMatch {
  const match: Record<string, string> = {};
  for (const [key, value] of Object.entries(entry.labels ?? {})) {
    if (typeof value !== "string")
      return unsupported(`${path}.match`, `compares "${key}" with other than text`);
    match[key] = value;
  }
  return { match, ...(entry.tls === undefined ? {} : { tls: entry.tls }) };
}
