import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ProbeOutcome, ProbeState } from "../../../src/gateway/remote/probe-state.ts";
import { afterProbe, newProbeState } from "../../../src/gateway/remote/probe-state.ts";

const timeout: ProbeOutcome = { t: "failed", isTimeout: true, lagMs: 0 };
const refused: ProbeOutcome = { t: "failed", isTimeout: false, lagMs: 0 };
const finished: ProbeOutcome = { t: "finished", tookMs: 30, rttMs: 10 };
const late = (tookMs: number): ProbeOutcome => ({ t: "finished-late", tookMs, rttMs: 10 });

const after = (
  outcomes: readonly ProbeOutcome[],
  at: { readonly minRttMs?: number; readonly nowMs?: number; readonly from?: ProbeState } = {},
): ProbeState =>
  outcomes.reduce(
    (state, outcome) => afterProbe(state, outcome, { nowMs: at.nowMs ?? 0, minRttMs: at.minRttMs }),
    at.from ?? newProbeState,
  );

suite("afterProbe()", () => {
  test("holds an address for alive until three failures in a row", () => {
    assert.equal(after([timeout, timeout]).isAlive, true);
    assert.equal(after([timeout, refused, timeout]).isAlive, false);
    assert.equal(after([timeout, timeout, finished, timeout, timeout]).isAlive, true);
  });
  test("believes the first success after a fall", () => {
    assert.equal(after([refused, refused, refused, finished]).isAlive, true);
  });
  test("takes a failure back when the probe finishes late, and waits longer from then on", () => {
    const state = after([timeout, timeout, late(2_000), timeout, timeout]);
    assert.equal(state.isAlive, true);
    assert.equal(state.timeoutMs, 3_000);
  });
  test("forgets a slow time after five minutes", () => {
    const slow = after([late(2_000)]);
    assert.equal(after([finished], { from: slow, nowMs: 299_000 }).timeoutMs, 3_000);
    assert.equal(after([finished], { from: slow, nowMs: 301_000 }).timeoutMs, 500);
  });
  test("waits four round trips, at least half a second and at most five", () => {
    assert.equal(after([finished], { minRttMs: 10 }).timeoutMs, 500);
    assert.equal(after([finished], { minRttMs: 200 }).timeoutMs, 800);
    assert.equal(after([finished], { minRttMs: 4_000 }).timeoutMs, 5_000);
  });
  test("does not count a timeout while this process itself was late", () => {
    const busy = { ...timeout, lagMs: 101 } satisfies ProbeOutcome;
    const settled = after([finished], { minRttMs: 10 });
    assert.equal(after([busy, busy, busy], { from: settled }).isAlive, true);
    const nearly = { ...timeout, lagMs: 100 } satisfies ProbeOutcome;
    assert.equal(after([nearly, nearly, nearly], { from: settled }).isAlive, false);
  });
  test("counts a refusal however busy this process was", () => {
    const busy = { ...refused, lagMs: 9_000 } satisfies ProbeOutcome;
    assert.equal(after([busy, busy, busy]).isAlive, false);
  });
});
