import assert from "node:assert/strict";
import { type Outcome, patientMs } from "./fault.ts";

/** What every fault must leave behind. */
export function assertHarmless(outcome: Outcome): void {
  assert.deepEqual(outcome.lost, []);
  assert.deepEqual(outcome.wronglyRemoved, []);
  assert.deepEqual(outcome.wentBack, []);
  assert.deepEqual(outcome.requests?.reasons ?? [], []);
  assert.ok(outcome.changes > 0, "nothing changed while it lasted");
  assert.ok(outcome.backInStepMs < patientMs, `it took ${outcome.backInStepMs} ms`);
}
