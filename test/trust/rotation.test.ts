import assert from "node:assert/strict";
import { test } from "node:test";
import { retryDelayMs, rotateAtMs } from "../../src/trust/rotation.ts";

const validity = { notBeforeMs: 1_000_000, notAfterMs: 1_000_000 + 86_400_000 };

test("rotateAtMs() is half life, ten percent of it sooner or later", () => {
  const at = (random: number): number => rotateAtMs(validity, () => random) - validity.notBeforeMs;
  assert.equal(at(0), 38_880_000);
  assert.equal(at(0.5), 43_200_000);
  assert.ok(Math.abs(at(1 - Number.EPSILON) - 47_520_000) < 1);
});

test("retryDelayMs() doubles from one second to one minute and is never less than half of that", () => {
  const longest = [1, 2, 3, 7, 8, 1000].map((failures) => retryDelayMs(failures, () => 1));
  assert.deepEqual(longest, [1000, 2000, 4000, 60_000, 60_000, 60_000]);
  assert.equal(
    retryDelayMs(3, () => 0),
    2000,
  );
});
