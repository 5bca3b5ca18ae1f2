import { suite, test } from "node:test";
import { catalogFaults } from "./all-faults.ts";
import { assertHarmless } from "./support/assert-outcome.ts";
import { faultsAtOnce } from "./support/fault.ts";

suite("faults of the catalog", { concurrency: faultsAtOnce }, () => {
  for (const fault of catalogFaults) {
    test(`${fault.title}: no entry is lost or removed, and all are in step again`, async () => {
      assertHarmless(await fault.run());
    });
  }
});
