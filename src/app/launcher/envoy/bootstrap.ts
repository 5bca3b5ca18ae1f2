import type { JsonObject } from "@bufbuild/protobuf";
import type { HostPort } from "../../../mesh/address.ts";
import type { MemberName, SpiffeId } from "../../../mesh/ids.ts";
import { proxyZone } from "../../../mesh/locality.ts";
import { latencyBoundsMs } from "../../../telemetry/load/latency.ts";
import { statsMatcher } from "./stats-matcher.ts";
import { statsTags } from "./stats-tags.ts";
import { xdsCluster, xdsClusterName } from "./xds-cluster.ts";

/** Inside Envoy's working folder. */
export const bootstrapFile = "envoy/bootstrap.json";
export const adminSocket = "envoy/admin.sock";

export interface BootstrapOptions {
  readonly node: {
    readonly id: string;
    /** What groups proxies of one kind in traces and statistics. */
    readonly kind: string;
    readonly metadata: JsonObject;
  };
  readonly member: MemberName;
  /** Empty when unknown. */
  readonly zone: string;
  /** Asked in this order. */
  readonly agents: readonly HostPort[];
  readonly agentId: SpiffeId;
}

// As the embedded engine: an agent that restarts must not wait long for its proxies, nor be met by all at once.
const reconnect = { baseInterval: "0.2s", maxInterval: "5s" };
// As many as the embedded engine takes: 20,000 connections cost some 400 MB and 40,000 file descriptors.
const maxConnections = 20_000;

/**
 * What Envoy is started with; everything else it is told by the agent. proto3 JSON; Envoy's own reference:
 * https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/bootstrap/v3/bootstrap.proto
 */
export function bootstrapFor(options: BootstrapOptions): object {
  const { node, member, zone, agents, agentId } = options;
  return {
    node: {
      id: node.id,
      cluster: node.kind,
      metadata: node.metadata,
      locality: { zone: proxyZone({ member, zone }) },
    },
    // Whoever reaches it can end this proxy: not a port, but a file in a folder of this user's.
    admin: {
      address: { pipe: { path: adminSocket, mode: 0o600 } },
      // The launcher must be heard when the proxy is full.
      ignoreGlobalConnLimit: true,
    },
    dynamicResources: {
      cdsConfig: overAds,
      ldsConfig: overAds,
      adsConfig: {
        apiType: "DELTA_GRPC",
        transportApiVersion: "V3",
        // It carries the names of some 600 extensions: 60 kB that need not be said twice.
        setNodeOnFirstMessageOnly: true,
        grpcServices: [toAgent],
      },
    },
    staticResources: { clusters: [xdsCluster({ agents, agentId })] },
    overloadManager: {
      resourceMonitors: [
        {
          name: "envoy.resource_monitors.global_downstream_max_connections",
          typedConfig: {
            "@type":
              "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            maxActiveDownstreamConnections: String(maxConnections),
          },
        },
      ],
    },
    // 52 kB for each Envoy cluster without it, 30 kB with it.
    deferredStatOptions: { enableDeferredCreationStats: true },
    // Histograms are added up when somebody asks, which the launcher does each second (load/).
    statsFlushOnAdmin: true,
    statsConfig: {
      useAllDefaultTags: true,
      statsTags,
      statsMatcher,
      histogramBucketSettings: [{ match: { prefix: "cluster." }, buckets }],
    },
    layeredRuntime: { layers: [{ name: "static", staticLayer: runtime }] },
  };
}

const toAgent: object = {
  envoyGrpc: { clusterName: xdsClusterName, retryPolicy: { retryBackOff: reconnect } },
};

// However long the agent is away, a listener never opens with half of its configuration.
const overAds: object = { ads: {}, resourceApiVersion: "V3", initialFetchTimeout: "0s" };

// Envoy counts whole milliseconds, begun ones left out: it would tell the finer ones of ours from nothing. And what
// is slower than the last bucket it leaves out, so the last is one that nothing exceeds.
const buckets: readonly number[] = [...latencyBoundsMs.filter((ms) => ms >= 1), 86_400_000];

const runtime: object = {
  // Stops a client that resets streams as fast as it opens them.
  "overload.premature_reset_total_stream_count": 500,
};
