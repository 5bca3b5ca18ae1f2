import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import {
  readCounters,
  readHistograms,
  readHosts,
} from "../../../../../src/app/launcher/envoy/load/admin-text.ts";
import {
  createEnvoyLoads,
  type EnvoyLoads,
} from "../../../../../src/app/launcher/envoy/load/envoy-loads.ts";
import { shareOut } from "../../../../../src/app/launcher/envoy/load/share-out.ts";
import { clusterStatsOf } from "../../../../../src/dataplane/load-stats.ts";
import { loadField } from "../../../../../src/telemetry/load/fields.ts";
import { bucketOf } from "../../../../../src/telemetry/load/latency.ts";
import { LoadStatsRequestSchema } from "../../../../../src/xds/gen/envoy/service/load_stats/v3/lrs_pb.ts";
import { decodeLoadReport } from "../../../../../src/xds/load-report.ts";
import { cart, reading, type Shown, sumsOf } from "./envoy-words.ts";

const own = "east/us.east-1a";

function loadsAfter(...begin: readonly Shown[]): EnvoyLoads {
  const loads = createEnvoyLoads(own);
  loads.begin(reading(...begin));
  return loads;
}

/** HTTP unless it says otherwise; every reading is one in which something happened. */
function shown(hosts: Shown["hosts"], more: Shown = {}): Shown {
  const counters = { upstream_cx_http1_total: 1, ...more.counters };
  return { ...more, hosts: hosts ?? {}, counters };
}

test("requests, answers and errors are those of each locality, its latency that of its zone", () => {
  const loads = loadsAfter();
  const hosts = {
    "10.0.0.1:80": { zone: own, rq_total: 5, rq_success: 4, rq_error: 1, cx_total: 2 },
    "10.0.0.2:80": { zone: own, rq_total: 1, rq_success: 1, cx_total: 1, rq_active: 3 },
    "[fd00::1]:15443": {
      zone: "west/gateway",
      priority: 1,
      rq_total: 2,
      rq_success: 2,
      cx_total: 1,
    },
  };
  const histograms = {
    upstream_cx_connect_ms: { 1: 3, 80: 1 },
    [`zone.${own}.${own}.upstream_rq_time`]: { 5: 6 },
    [`zone.${own}.west/gateway.upstream_rq_time`]: { 120: 2 },
  };
  const taken = loads.take(reading(shown(hosts, { histograms })));
  assert.deepEqual(sumsOf(taken), {
    [own]: { issued: 6, ok: 5, status: 1, connect: 3, firstByte: 6, active: 3 },
    "west/gateway": { issued: 2, ok: 2, connect: 1, firstByte: 2, active: 0 },
  });
  const west = taken.find(({ locality }) => locality === "|west/gateway|");
  assert.equal(west?.priority, 1);
  assert.equal(west?.row[loadField.connect + bucketOf(80)], 1);
  assert.equal(west?.row[loadField.firstByte + bucketOf(120)], 2);
});

test("what was told once is not told again, and a quiet cluster is not read", () => {
  const loads = loadsAfter();
  const first = reading(shown({ "10.0.0.1:80": { zone: own, rq_total: 5 } }));
  assert.deepEqual(loads.changedIn(first.counters), [cart]);
  loads.take(first);
  assert.deepEqual(loads.changedIn(first.counters), []);
  assert.deepEqual(loads.take(first), []);
});

test("begin() forgets what was counted and tells anew what is open", () => {
  const before = shown({ "10.0.0.1:80": { zone: own, rq_total: 5, rq_active: 2 } });
  const loads = loadsAfter(before);
  assert.deepEqual(loads.changedIn(reading(before).counters), [cart]);
  assert.deepEqual(sumsOf(loads.take(reading(before))), { [own]: { active: 2 } });
});

test("an Envoy that was started again counts from zero, and so does a host that was away", () => {
  const counters = { upstream_cx_http1_total: 9, upstream_rq_total: 50 };
  const histograms = { upstream_cx_connect_ms: { 2: 1 } };
  const many = { counters, histograms };
  const loads = loadsAfter(
    shown({ "10.0.0.1:80": { zone: own, rq_total: 50, rq_success: 50 } }, many),
  );
  // As many connects as before, so only the other counters show that they are others.
  const again = shown(
    { "10.0.0.1:80": { zone: own, rq_total: 3, rq_success: 2, rq_error: 1, cx_total: 1 } },
    { histograms },
  );
  assert.deepEqual(sumsOf(loads.take(reading(again))), {
    [own]: { issued: 3, ok: 2, status: 1, connect: 1, active: 0 },
  });
});

test("what is open in a cluster or at a host that is removed ends with it", () => {
  const open = shown({
    "10.0.0.1:80": { zone: own, rq_total: 1, rq_active: 1 },
    "10.0.0.2:80": { zone: "west/gateway", rq_total: 2, rq_active: 2 },
  });
  const loads = loadsAfter();
  loads.take(reading(open));
  const one = shown(
    { "10.0.0.1:80": { zone: own, rq_total: 1, rq_active: 1 } },
    { counters: { upstream_cx_destroy: 2 } },
  );
  assert.deepEqual(sumsOf(loads.take(reading(one))), { "west/gateway": { active: 0 } });
  assert.deepEqual(sumsOf(loads.take(reading())), { [own]: { active: 0 } });
  assert.deepEqual(loads.take(reading()), []);
});

test("a connection that is only being made has not come to be, and counts when it fails", () => {
  const loads = loadsAfter();
  const trying = { "192.0.2.1:80": { zone: "west/gateway", cx_total: 1 } };
  assert.deepEqual(loads.take(reading(shown(trying))), []);
  const failed = shown(
    { "192.0.2.1:80": { zone: "west/gateway", cx_total: 1, cx_connect_fail: 1, rq_error: 1 } },
    { counters: { upstream_cx_connect_timeout: 1, upstream_rq_pending_failure_eject: 1 } },
  );
  assert.deepEqual(sumsOf(loads.take(reading(failed))), {
    "west/gateway": { issued: 1, timeout: 1, active: 0 },
  });
});

test("times of connects may come one reading later, and go to the nearest first", () => {
  const loads = loadsAfter();
  const hosts = {
    "10.0.0.9:80": { zone: "west/gateway", cx_total: 1, rq_total: 1 },
    "10.0.0.1:80": { zone: own, cx_total: 2, rq_total: 2 },
  };
  assert.equal(sumsOf(loads.take(reading(shown(hosts))))[own]?.connect, undefined);
  const timed = shown(hosts, { histograms: { upstream_cx_connect_ms: { 2: 2, 50: 1 } } });
  const late = loads.take(reading(timed));
  assert.deepEqual(sumsOf(late), {
    [own]: { connect: 2, active: 0 },
    "west/gateway": { connect: 1, active: 0 },
  });
  const west = late.find(({ locality }) => locality === "|west/gateway|");
  assert.equal(west?.row[loadField.connect + bucketOf(50)], 1);
});

test("a time that no endpoint claims proves no connection later", () => {
  const loads = loadsAfter();
  const gone = shown({}, { histograms: { upstream_cx_connect_ms: { 2: 1 } } });
  loads.take(reading(gone));
  const quiet = shown({}, { ...gone, counters: { upstream_cx_destroy: 1 } });
  loads.take(reading(quiet));
  const later = shown(
    { "10.0.0.1:80": { zone: "west/gateway", cx_total: 1, rq_total: 1 } },
    { ...gone, counters: { upstream_cx_destroy: 2 } },
  );
  assert.equal(sumsOf(loads.take(reading(later)))["west/gateway"]?.connect, undefined);
});

test("kinds of failure are shared out among those that failed; what lacked a connection counts once", () => {
  const loads = loadsAfter();
  const counters = {
    upstream_cx_connect_timeout: 2,
    "ssl.fail_verify_san": 1,
    upstream_rq_pending_failure_eject: 4,
    upstream_cx_destroy_remote_with_active_rq: 2,
  };
  const hosts = {
    "10.0.0.1:80": { zone: own, rq_total: 5, rq_success: 2, rq_error: 3, cx_total: 2 },
    "10.0.0.9:80": { zone: "west/gateway", cx_total: 4, cx_connect_fail: 4, rq_error: 4 },
  };
  assert.deepEqual(sumsOf(loads.take(reading(shown(hosts, { counters })))), {
    [own]: { issued: 5, ok: 2, reset: 2, status: 1, active: 0 },
    "west/gateway": { issued: 4, timeout: 2, tls: 1, refused: 1, active: 0 },
  });
});

test("what found no host or was one too many belongs to no locality", () => {
  const loads = loadsAfter();
  const counters = { upstream_cx_none_healthy: 2, upstream_cx_overflow: 3 };
  assert.deepEqual(sumsOf(loads.take(reading({ counters }))), {
    none: { "no-host": 2, "over-limit": 3, active: 0 },
  });
  // HTTP waits for a connection instead.
  const http = { ...counters, upstream_cx_http1_total: 1, upstream_cx_overflow: 9 };
  const pending = { ...http, upstream_rq_pending_overflow: 1 };
  assert.deepEqual(sumsOf(loads.take(reading({ counters: pending }))), {
    none: { "over-limit": 1, active: 0 },
  });
});

const stream = { zone: "west/gateway", cx_total: 1, rq_total: 1, rq_active: 1 };
const bytes = {
  upstream_cx_total: 1,
  upstream_cx_rx_bytes_total: 90,
  upstream_cx_tx_bytes_total: 30,
};
for (const [title, hosts, more, isShare, wanted] of [
  ["of one member's connection prove that it sends", { a: stream }, {}, false, [90]],
  ["of two gateways of one member, too", { a: stream, b: stream }, {}, false, [90]],
  [
    "of two members are shared out, and prove nothing",
    { a: stream, b: { ...stream, zone: own, priority: 1, cx_total: 2, rq_total: 2, rq_active: 2 } },
    {},
    true,
    [30, 60],
  ],
  [
    "of HTTP prove nothing: an idle connection sends some",
    { a: { ...stream, rq_success: 1 } },
    { upstream_cx_http2_total: 1 },
    true,
    [90],
  ],
  [
    "of an idle HTTP connection are nobody's",
    { a: { zone: own } },
    { upstream_cx_http2_total: 1 },
    true,
    [],
  ],
] as const) {
  test(`bytes ${title}`, () => {
    const loads = loadsAfter();
    const taken = loads.take(reading({ hosts, counters: { ...bytes, ...more } }));
    const told = taken.filter(({ row }) => (row[loadField.bytesIn] ?? 0) > 0);
    assert.deepEqual(
      told.map(({ row }) => row[loadField.bytesIn]),
      wanted,
    );
    assert.ok(told.every((load) => load.isShare === isShare));
  });
}

test("the clusters of others and of the application are not told", () => {
  const counters = { upstream_cx_total: 1 };
  const names = ["xds", "inbound|8080||10.0.0.7", "outbound|80||cart"];
  const told = reading(...names.map((name) => ({ name, counters })));
  assert.deepEqual([...told.counters.keys()], []);
});

const words = [
  "cluster.",
  cart,
  "::",
  ".",
  ": ",
  "\n",
  "upstream_cx_total",
  "upstream_cx_connect_ms",
  "10.0.0.1:80",
  "zone",
  "rq_total",
  "rq_active",
  "priority",
  own,
  "B1(0,3)",
  "B1e+9(0,3)",
  "-1",
  "1e9",
  "9".repeat(30),
  "17",
  "NaN",
  "\u0000",
];
const word = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom(...words));
const text = fc.array(word, { maxLength: 60 }).map((words) => words.join(""));

test("whatever an admin interface says, reading it never throws and gives whole numbers", () => {
  fc.assert(
    fc.property(text, (said) => {
      const hosts = [...readHosts(said).values()].flat();
      const numbers = [
        ...[...readCounters(said).values()].flatMap((totals) => [...totals.values()]),
        ...[...readHistograms(said).values()]
          .flatMap((stats) => [...stats.values()])
          .flatMap((one) => [...one]),
        ...hosts.flatMap(({ priority, active, counts }) => [
          priority,
          active,
          ...Object.values(counts),
        ]),
      ];
      assert.ok(
        numbers.every((number) => Number.isSafeInteger(number) && number >= 0),
        String(numbers),
      );
    }),
    { numRuns: 2000 },
  );
});

const number = fc.nat({ max: 1000 });
const host = fc.record({
  zone: fc.constantFrom(own, "west/gateway", "north/a", ""),
  priority: fc.nat({ max: 2 }),
  cx_total: number,
  cx_connect_fail: number,
  rq_total: number,
  rq_success: number,
  rq_error: number,
  rq_active: number,
});
const counters = [
  "upstream_cx_total",
  "upstream_cx_connect_timeout",
  "ssl.connection_error",
  "upstream_cx_none_healthy",
  "upstream_cx_overflow",
  "upstream_cx_rx_bytes_total",
  "upstream_cx_http1_total",
  "upstream_rq_rx_reset",
  "upstream_rq_pending_failure_eject",
];
const counter = fc.constantFrom(...counters);
const anyCluster: fc.Arbitrary<Shown> = fc.record({
  counters: fc.dictionary(counter, number),
  hosts: fc.dictionary(fc.constantFrom("10.0.0.1:80", "10.0.0.2:80", "[::1]:80"), host),
  histograms: fc.dictionary(
    fc.constantFrom("upstream_cx_connect_ms", `zone.${own}.west/gateway.upstream_rq_time`),
    fc.dictionary(fc.constantFrom("1", "80", "20000", "86400000"), number) as fc.Arbitrary<
      Record<number, number>
    >,
  ),
});

test("whatever counters do, a report of them is one that an agent takes", () => {
  fc.assert(
    fc.property(fc.array(fc.option(anyCluster), { maxLength: 6 }), (readings) => {
      const loads = createEnvoyLoads(own);
      for (const cluster of readings) {
        const taken = loads.take(reading(...(cluster === null ? [] : [cluster])));
        const clusterStats = [...clusterStatsOf(taken, { spanMs: 1000 })];
        const request = create(LoadStatsRequestSchema, { clusterStats });
        const decoded = decodeLoadReport(toBinary(LoadStatsRequestSchema, request));
        assert.equal(decoded.t, "ok", JSON.stringify(decoded));
        for (const { row } of taken) {
          assert.ok(
            row.every((count) => Number.isInteger(count) && count >= 0),
            String(row),
          );
        }
      }
    }),
    { numRuns: 500 },
  );
});

test("shareOut() gives all away, and nobody more than its weight unless all get more", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 50 }), { maxLength: 6 }),
      fc.nat({ max: 300 }),
      (weights, most) => {
        const sum = weights.reduce((all, weight) => all + weight, 0);
        const total = Math.min(most, sum);
        const shares = shareOut(total, weights);
        assert.equal(
          shares.reduce((all, share) => all + share, 0),
          total,
        );
        assert.ok(shares.every((share, index) => share >= 0 && share <= (weights[index] ?? 0)));
      },
    ),
  );
});
