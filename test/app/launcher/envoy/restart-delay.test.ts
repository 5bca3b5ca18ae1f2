import assert from "node:assert/strict";
import { test } from "node:test";
import { restartDelayMs } from "../../../../src/app/launcher/envoy/restart-delay.ts";

test("restartDelayMs() doubles its ceiling with each failure, up to 30 s", () => {
  const ceilings = [1, 2, 3, 8, 100].map((failures) => restartDelayMs(failures, () => 1));
  assert.deepEqual(ceilings, [400, 800, 1_600, 30_000, 30_000]);
});

test("restartDelayMs() is anything below its ceiling", () => {
  assert.equal(
    restartDelayMs(3, () => 0),
    0,
  );
  assert.equal(
    restartDelayMs(3, () => 0.5),
    800,
  );
});
