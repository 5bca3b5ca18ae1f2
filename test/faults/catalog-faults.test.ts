import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { catalogFaults } from "./all-faults.ts";
import { faultsAtOnce, targetMs } from "./support/fault.ts";

// `npm run faults:catalog` holds the exact figure against the target; a busy machine is no defect.
const patientMs = 3 * targetMs;

suite("faults of the catalog", { concurrency: faultsAtOnce }, () => {
  for (const fault of catalogFaults) {
    test(`${fault.title}: no entry is lost or removed, and all are in step again`, async () => {
      const outcome = await fault.run();
      assert.deepEqual(outcome.lost, []);
      assert.deepEqual(outcome.wronglyRemoved, []);
      assert.deepEqual(outcome.wentBack, []);
      assert.ok(outcome.changes > 0, "nothing changed while it lasted");
      assert.ok(outcome.backInStepMs < patientMs, `it took ${outcome.backInStepMs} ms`);
    });
  }
});
