import { suite, test } from "node:test";
import { whyNoRegions } from "../support/regions/regions.ts";
import { regionFaults } from "./scenarios/region-faults.ts";
import { assertHarmless } from "./support/assert-outcome.ts";

const missing = whyNoRegions();
const skip = missing !== undefined && process.env["CI"] === undefined ? missing : false;
// Each has three regions of its own; what they cost is mostly waiting.
const concurrency = 2;

suite("faults between regions", { skip, concurrency }, () => {
  for (const fault of regionFaults) {
    test(`${fault.title}: no entry is lost or removed, and all are in step again`, async () => {
      assertHarmless(await fault.run());
    });
  }
});
