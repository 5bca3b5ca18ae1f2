import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { clusterStatsOf } from "../../src/dataplane/load-stats.ts";
import { errorField, loadErrors, loadField, loadWidth } from "../../src/telemetry/load/fields.ts";
import { LoadStatsRequestSchema } from "../../src/xds/gen/envoy/service/load_stats/v3/lrs_pb.ts";
import { decodeLoadReport, type LoadReport, maxReportedLoads } from "../../src/xds/load-report.ts";

type Request = MessageInitShape<typeof LoadStatsRequestSchema>;

function decoded(request: Request): LoadReport {
  const result = decodeLoadReport(
    toBinary(LoadStatsRequestSchema, create(LoadStatsRequestSchema, request)),
  );
  assert.equal(result.t, "ok", result.t === "refused" ? result.reason : "");
  return result.t === "ok" ? result.value : { loads: [] };
}

function refusal(request: Request): string {
  const result = decodeLoadReport(
    toBinary(LoadStatsRequestSchema, create(LoadStatsRequestSchema, request)),
  );
  return result.t === "refused" ? result.reason : "not refused";
}

const locality = { region: "us-west-1", zone: "west/gateway" };

test("a report as Envoy sends it: requests, answers, errors, in progress", () => {
  const { loads } = decoded({
    clusterStats: [
      {
        clusterName: "outbound|80||cart.shop.svc.cluster.local",
        upstreamLocalityStats: [
          {
            locality,
            priority: 1,
            totalIssuedRequests: 10n,
            totalSuccessfulRequests: 7n,
            totalErrorRequests: 2n,
            totalRequestsInProgress: 1n,
          },
        ],
      },
    ],
  });
  assert.equal(loads.length, 1);
  const [load] = loads;
  assert.equal(load?.envoyCluster, "outbound|80||cart.shop.svc.cluster.local");
  assert.equal(load?.zone, "west/gateway");
  assert.equal(load?.priority, 1);
  const at = (field: number): number => load?.row[field] ?? -1;
  assert.deepEqual(
    [loadField.issued, loadField.ok, loadField.active, errorField("status")].map(at),
    [10, 7, 1, 2],
  );
});

test("our metrics say what LRS has no field for, and foreign ones are read past", () => {
  const { loads } = decoded({
    clusterStats: [
      {
        clusterName: "c",
        upstreamLocalityStats: [
          {
            locality,
            totalErrorRequests: 3n,
            loadMetricStats: [
              { metricName: "isthmus.error.refused", numRequestsFinishedWithMetric: 3n },
              { metricName: "isthmus.bytes_in", totalMetricValue: 5e9 },
              { metricName: "isthmus.connect.4", numRequestsFinishedWithMetric: 6n },
              { metricName: "named_metrics.gpu", numRequestsFinishedWithMetric: 1n },
            ],
          },
        ],
      },
    ],
  });
  const at = (field: number): number => loads[0]?.row[field] ?? -1;
  assert.deepEqual(
    [errorField("refused"), errorField("status"), loadField.bytesIn, loadField.connect + 4].map(at),
    [3, 0, 5e9, 6],
  );
});

for (const isShare of [true, false]) {
  test(`bytes that ${isShare ? "members sent together" : "one member sent"} are told as such`, () => {
    const row = new Float64Array(loadWidth);
    row[loadField.bytesIn] = 7;
    const load = { envoyCluster: "c", locality: "|west/gateway|", priority: 0, row, isShare };
    const { loads } = decoded({ clusterStats: [...clusterStatsOf([load], { spanMs: 1000 })] });
    assert.deepEqual(
      loads.map((one) => [one.row[loadField.bytesIn], one.isShare ?? false]),
      [[7, isShare]],
    );
  });
}

test("dropped requests are those of the cluster, whatever category an Envoy gives them", () => {
  const { loads } = decoded({
    clusterStats: [
      {
        clusterName: "c",
        totalDroppedRequests: 10n,
        droppedRequests: [
          { category: "no-host", droppedCount: 3n },
          { category: "throttle", droppedCount: 2n },
        ],
      },
    ],
  });
  assert.equal(loads.length, 1);
  assert.equal(loads[0]?.zone, undefined);
  assert.equal(loads[0]?.row[errorField("no-host")], 3);
  assert.equal(loads[0]?.row[errorField("over-limit")], 7);
});

const one = { locality, totalIssuedRequests: 1n };
const refused: readonly (readonly [string, Request, RegExp])[] = [
  [
    "more localities than a message may hold",
    {
      clusterStats: [
        {
          clusterName: "a",
          upstreamLocalityStats: Array.from({ length: maxReportedLoads }, () => one),
        },
        { clusterName: "b", upstreamLocalityStats: [one] },
      ],
    },
    /more than 1024 localities/,
  ],
  [
    "a count that no proxy reaches",
    { clusterStats: [{ upstreamLocalityStats: [{ totalIssuedRequests: 2n ** 63n }] }] },
    /more than any proxy does/,
  ],
  ...[Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300].map(
    (value): readonly [string, Request, RegExp] => [
      `${value} bytes`,
      {
        clusterStats: [
          {
            upstreamLocalityStats: [
              { loadMetricStats: [{ metricName: "isthmus.bytes_in", totalMetricValue: value }] },
            ],
          },
        ],
      },
      /no number of bytes/,
    ],
  ),
  [
    "too many metrics",
    {
      clusterStats: [
        {
          upstreamLocalityStats: [
            { loadMetricStats: Array.from({ length: 300 }, () => ({ metricName: "x" })) },
          ],
        },
      ],
    },
    /too many metrics/,
  ],
  ["a name without end", { clusterStats: [{ clusterName: "c".repeat(2000) }] }, /longer than/],
];
for (const [name, request, reason] of refused) {
  test(`decodeLoadReport() refuses ${name}`, () => {
    assert.match(refusal(request), reason);
  });
}

test("decodeLoadReport() never throws, and every number it gives is whole and finite", () => {
  const sound = toBinary(
    LoadStatsRequestSchema,
    create(LoadStatsRequestSchema, {
      node: { id: "sidecar/shop/a/1" },
      clusterStats: [
        { clusterName: "c", upstreamLocalityStats: [{ ...one, totalErrorRequests: 4n }] },
      ],
    }),
  );
  const mutated = fc
    .tuple(fc.nat(sound.length - 1), fc.nat(255))
    .map(([at, byte]) => sound.map((old, index) => (index === at ? byte : old)));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), (bytes) => {
      const result = decodeLoadReport(bytes);
      if (result.t === "refused") return;
      for (const { row } of result.value.loads) {
        for (const value of row) assert.ok(Number.isInteger(value) && value >= 0, String(value));
      }
    }),
    { numRuns: 2000 },
  );
});

test("every kind of error stands once in a row", () => {
  assert.equal(new Set(loadErrors.map(errorField)).size, loadErrors.length);
});
