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
    const state = after([timeout, late(2_000), timeout, timeout]);
    assert.equal(state.isAlive, true);
    assert.equal(state.timeoutMs, 3_000);
  });
  test("waits no longer because of probes that an outage held up", () => {
    const isolated = after([timeout, timeout, timeout]);
    const released = after([late(5_000), late(4_000), late(1_500)], { from: isolated });
    assert.equal(released.isAlive, true);
    assert.equal(released.timeoutMs, 500);
    // The first packet of a connection is sent again after seconds, when later ones have long arrived.
    const answered = after([finished], { from: isolated, nowMs: 10_000 });
    assert.equal(after([late(3_000)], { from: answered, nowMs: 11_000 }).timeoutMs, 500);
  });
  test("waits longer when probes are slow that were begun after an outage", () => {
    const released = after([timeout, timeout, late(2_000)], { nowMs: 2_000 });
    assert.equal(after([late(2_000)], { from: released, nowMs: 5_000 }).timeoutMs, 3_000);
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
