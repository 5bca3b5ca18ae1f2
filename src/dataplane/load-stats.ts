import { create } from "@bufbuild/protobuf";
import { errorField, loadErrors, loadField } from "../telemetry/load/fields.ts";
import { metricStats } from "../telemetry/load/metric-stats.ts";
import {
  type ClusterStats,
  ClusterStatsSchema,
  type EndpointLoadMetricStats,
  EndpointLoadMetricStatsSchema,
  type UpstreamLocalityStats,
  UpstreamLocalityStatsSchema,
} from "../xds/gen/envoy/config/endpoint/v3/load_report_pb.ts";
import type { TakenLoad } from "./load.ts";

/** LRS's form of what `takeLoads` gave. A connection is a request: begun, ended well, failed, open. */
export function clusterStatsOf(
  loads: readonly TakenLoad[],
  options: { readonly spanMs: number },
): readonly ClusterStats[] {
  const byCluster = new Map<string, TakenLoad[]>();
  for (const load of loads) {
    const known = byCluster.get(load.envoyCluster);
    if (known === undefined) byCluster.set(load.envoyCluster, [load]);
    else known.push(load);
  }
  return [...byCluster].map(([clusterName, parts]) => {
    const dropped = parts.flatMap((part) => (part.locality === undefined ? droppedOf(part) : []));
    return create(ClusterStatsSchema, {
      clusterName,
      upstreamLocalityStats: parts.flatMap(({ locality, ...part }) =>
        locality === undefined ? [] : [localityStats({ locality, ...part })],
      ),
      totalDroppedRequests: dropped.reduce((sum, { droppedCount }) => sum + droppedCount, 0n),
      droppedRequests: dropped,
      loadReportInterval: {
        $typeName: "google.protobuf.Duration",
        seconds: BigInt(Math.floor(options.spanMs / 1000)),
        nanos: Math.floor((options.spanMs % 1000) * 1e6),
      },
    });
  });
}

function localityStats(load: TakenLoad & { readonly locality: string }): UpstreamLocalityStats {
  const { row, locality, priority } = load;
  const [region = "", zone = "", subZone = ""] = locality.split("|");
  const failed = loadErrors.reduce((sum, kind) => sum + (row[errorField(kind)] ?? 0), 0);
  return create(UpstreamLocalityStatsSchema, {
    locality: { region, zone, subZone },
    priority,
    totalIssuedRequests: BigInt(row[loadField.issued] ?? 0),
    totalSuccessfulRequests: BigInt(row[loadField.ok] ?? 0),
    totalErrorRequests: BigInt(failed),
    totalRequestsInProgress: BigInt(Math.max(0, row[loadField.active] ?? 0)),
    loadMetricStats: metricStatsOf(load),
  });
}

function metricStatsOf({ row, isShare = false }: TakenLoad): EndpointLoadMetricStats[] {
  const stats: EndpointLoadMetricStats[] = [];
  for (const { name, field, in: where, proves } of metricStats.values()) {
    const value = row[field] ?? 0;
    if (value === 0 || proves === isShare) continue;
    const isCount = where === "count";
    stats.push(
      create(EndpointLoadMetricStatsSchema, {
        metricName: name,
        numRequestsFinishedWithMetric: isCount ? BigInt(value) : 1n,
        totalMetricValue: value,
      }),
    );
  }
  return stats;
}

function droppedOf({ row }: TakenLoad): ClusterStats["droppedRequests"] {
  return (["no-host", "over-limit"] as const).flatMap((category) => {
    const count = row[errorField(category)] ?? 0;
    return count === 0
      ? []
      : [
          {
            $typeName: "envoy.config.endpoint.v3.ClusterStats.DroppedRequests" as const,
            category,
            droppedCount: BigInt(count),
          },
        ];
  });
}
