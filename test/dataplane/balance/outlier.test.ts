import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { noteConnected, noteFailure } from "../../../src/dataplane/balance/outlier.ts";
import { pickHost } from "../../../src/dataplane/balance/pick.ts";
import type { OutlierModel } from "../../../src/dataplane/config/model.ts";
import { host, nth, poolOf } from "../support/pools.ts";

const outlier: OutlierModel = {
  consecutiveFailures: 2,
  intervalMs: 1_000,
  baseEjectionMs: 5_000,
  maxEjectionMs: 30_000,
  maxEjectionPercent: 100,
};

describe("noteFailure()", () => {
  test("ejects at the stated number of failures in a row, which one success breaks", () => {
    const pool = poolOf([host(), host()], { model: { outlier } });
    const first = nth(pool, 0);
    assert.equal(noteFailure(pool, { host: first, nowMs: 0 }), false);
    noteConnected(first);
    assert.equal(noteFailure(pool, { host: first, nowMs: 0 }), false);
    assert.equal(noteFailure(pool, { host: first, nowMs: 0 }), true);
    for (let pick = 0; pick < 4; pick++) {
      assert.equal(
        pickHost(pool, { nowMs: 4_999, random: () => 0, tried: new Set() }),
        nth(pool, 1),
      );
    }
    const back = new Set(
      [0, 1].map(() => pickHost(pool, { nowMs: 5_000, random: () => 0, tried: new Set() })),
    );
    assert.equal(back.size, 2);
  });

  test("ejects for longer each time, up to the cap, and forgives calm intervals", () => {
    const pool = poolOf([host(), host()], { model: { outlier } });
    const bad = nth(pool, 0);
    const ejectAt = (nowMs: number): number => {
      for (let failure = 0; failure < outlier.consecutiveFailures; failure++)
        noteFailure(pool, { host: bad, nowMs });
      return bad.ejectedUntilMs - nowMs;
    };
    let nowMs = 0;
    const lives: number[] = [];
    for (let time = 0; time < 8; time++) {
      lives.push(ejectAt(nowMs));
      nowMs = bad.ejectedUntilMs;
    }
    assert.deepEqual(lives, [5_000, 10_000, 15_000, 20_000, 25_000, 30_000, 30_000, 30_000]);
    assert.equal(ejectAt(nowMs + 8_000), 5_000);
  });

  test("keeps the stated share of the hosts", () => {
    const pool = poolOf([host(), host(), host()], {
      model: { outlier: { ...outlier, maxEjectionPercent: 50 } },
    });
    const ejected = [0, 1, 2].map((index) => {
      noteFailure(pool, { host: nth(pool, index), nowMs: 0 });
      return noteFailure(pool, { host: nth(pool, index), nowMs: 0 });
    });
    assert.deepEqual(ejected, [true, true, false]);
  });

  test("never ejects without outlier detection", () => {
    const pool = poolOf([host()]);
    const failures = Array.from({ length: 50 }, () =>
      noteFailure(pool, { host: nth(pool, 0), nowMs: 0 }),
    );
    assert.ok(!failures.includes(true));
  });
});
