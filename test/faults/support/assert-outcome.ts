import assert from "node:assert/strict";
import { type Outcome, targetMs } from "./fault.ts";

// `npm run faults:catalog` holds the exact figure against the target; a busy machine is no defect.
const patientMs = 3 * targetMs;

/** What every fault must leave behind. */
export function assertHarmless(outcome: Outcome): void {
  assert.deepEqual(outcome.lost, []);
  assert.deepEqual(outcome.wronglyRemoved, []);
  assert.deepEqual(outcome.wentBack, []);
  assert.deepEqual(outcome.requests?.reasons ?? [], []);
  assert.ok(outcome.changes > 0, "nothing changed while it lasted");
  assert.ok(outcome.backInStepMs < patientMs, `it took ${outcome.backInStepMs} ms`);
}
