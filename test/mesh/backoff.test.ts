import assert from "node:assert/strict";
import { test } from "node:test";
import { backoffCeilingMs, inUpperHalf } from "../../src/mesh/backoff.ts";

test("backoffCeilingMs() doubles from the first to the longest wait, however many failed", () => {
  const backoff = { firstMs: 100, maxMs: 3000 };
  const ceilings = [0, 1, 2, 5, 30, 5000].map((count) => backoffCeilingMs(backoff, count));
  assert.deepEqual(ceilings, [100, 200, 400, 3000, 3000, 3000]);
});

test("inUpperHalf() is never less than half of the ceiling, nor more than all of it", () => {
  const waits = [0, 0.5, 1].map((random) => inUpperHalf(1000, () => random));
  assert.deepEqual(waits, [500, 750, 1000]);
});
