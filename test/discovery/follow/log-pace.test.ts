import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { createLogPace, type LogPace } from "../../../src/discovery/follow/log-pace.ts";
import type { ShardOutcome } from "../../../src/discovery/follow/remote-shard.ts";
import { east, west } from "../support/made.ts";

const repeated: ShardOutcome = { isNewBeat: false, isBehind: false };
const refused: ShardOutcome = {
  ...repeated,
  problem: { code: "CATALOG_HEAD_REFUSED", message: "junk" },
};
const useful: ShardOutcome = {
  ...repeated,
  change: { services: new Set(), isMemberChanged: false },
};

/** How many outcomes of a log that never ends are taken in ten seconds, 128 at each look. */
function takenIn10s(outcome: ShardOutcome, pace: LogPace = createLogPace()): number {
  let taken = 0;
  for (let nowMs = 0; nowMs < 10_000; nowMs += 10) {
    if (pace.isResting(east, nowMs)) continue;
    for (let entry = 0; entry < 128; entry += 1) pace.took(east, outcome, nowMs);
    taken += 128;
  }
  return taken;
}

suite("createLogPace()", () => {
  test("never lets a log rest that has news", () => {
    assert.equal(takenIn10s(useful), 128_000);
  });

  test("takes what other hubs told already some thousand times a second", () => {
    const taken = takenIn10s(repeated);
    assert.ok(taken >= 10_000 && taken <= 15_000, String(taken));
  });

  test("takes what is refused some dozen times a second", () => {
    const taken = takenIn10s(refused);
    assert.ok(taken >= 320 && taken <= 800, String(taken));
  });

  test("lets nobody else's log rest", () => {
    const pace = createLogPace();
    takenIn10s(refused, pace);
    assert.equal(pace.isResting(west, 10_000), false);
  });

  test("forgets what was long ago", () => {
    const pace = createLogPace();
    takenIn10s(refused, pace);
    assert.equal(pace.isResting(east, 30_000), false);
  });
});
