import assert from "node:assert/strict";
import { test } from "node:test";
import { bucketOf, latencyBuckets, quantileMs } from "../../../src/telemetry/load/latency.ts";

for (const [ms, bucket] of [
  [0, 0],
  [0.25, 0],
  [0.26, 1],
  [1, 2],
  [19_999, 23],
  [20_000, 23],
  [20_001, 24],
  [Number.POSITIVE_INFINITY, 24],
] as const) {
  test(`bucketOf() counts ${ms} ms in bucket ${bucket}`, () => {
    assert.equal(bucketOf(ms), bucket);
  });
}

function countsOf(values: readonly number[]): Float64Array {
  const counts = new Float64Array(latencyBuckets);
  for (const value of values) counts[bucketOf(value)] = (counts[bucketOf(value)] ?? 0) + 1;
  return counts;
}

test("quantileMs() of nothing is nothing", () => {
  assert.equal(quantileMs(new Float64Array(latencyBuckets), 0.5), undefined);
});

for (const ratio of [0.5, 0.9, 0.99]) {
  test(`quantileMs() finds the ${ratio * 100}th percentile of even values within its bucket`, () => {
    const values = Array.from({ length: 10_000 }, (_, index) => index / 10);
    const exact = ratio * 1000;
    const found = quantileMs(countsOf(values), ratio) ?? 0;
    assert.ok(Math.abs(found - exact) / exact < 0.25, `${found} instead of ${exact}`);
  });
}

test("quantileMs() says the last bound of what is slower than all", () => {
  assert.equal(quantileMs(countsOf([1e6, 1e6]), 0.5), 20_000);
});
