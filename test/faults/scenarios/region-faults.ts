import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import type { Region } from "../../support/regions/regions.ts";
import {
  type Fault,
  measureFault,
  type Outcome,
  patientMs,
  timeToReaders,
} from "../support/fault.ts";
import { hubInEachRegion, stretchedHub, writesMissing } from "../support/region-redis.ts";
import { openRegionStage, type RegionStage } from "../support/region-stage.ts";

const faultMs = 8000;

/** What wide networks do; a hub in each region unless told otherwise. */
export const regionFaults: readonly Fault[] = [
  regionFault(
    "partition",
    "two regions cannot reach each other; changes go around",
    async (stage) => {
      await stage.regions.partition("eu", "us");
      await wait(1000);
      await assertChangesPass(stage);
      await wait(faultMs);
      await stage.regions.heal();
    },
  ),
  regionFault(
    "one-way-partition",
    "packets are lost in one direction only",
    async ({ regions }) => {
      await regions.partition("eu", "us", { isOneWay: true });
      await wait(faultMs);
      await regions.heal();
    },
  ),
  regionFault("isolated-region", "a region is cut off from all others", async ({ regions }) => {
    await regions.isolate("ap");
    await wait(faultMs);
    await regions.heal();
  }),
  regionFault("lossy-links", "links lose 10 % of all packets in each direction", async (stage) => {
    for (const [a, b] of pairs) await stage.regions.link(a, b, { lossRatio: 0.1, jitterMs: 10 });
    await wait(faultMs);
    for (const [a, b] of pairs) await stage.regions.link(a, b, { lossRatio: 0, jitterMs: 0 });
  }),
  {
    name: "stretched",
    title: "one Redis over three regions, its master's region cut off",
    run: stretched,
  },
];

const pairs: readonly (readonly [Region, Region])[] = [
  ["eu", "us"],
  ["us", "ap"],
  ["eu", "ap"],
];

function regionFault(
  name: string,
  title: string,
  strike: (stage: RegionStage) => Promise<void>,
): Fault {
  return {
    name,
    title,
    run: async () => {
      await using stage = await openRegionStage(hubInEachRegion);
      return await measureFault(stage, () => strike(stage));
    },
  };
}

/** Redis takes writes on both sides, and forgets those of one of them when the sides meet again. */
async function stretched(): Promise<Outcome> {
  await using stage = await openRegionStage(stretchedHub);
  const { regions } = stage;
  let lost = 0;
  const outcome = await measureFault(stage, async () => {
    await regions.isolate("eu");
    await wait(faultMs);
    lost = await writesMissing(regions, { member: "eu", at: "eu", notAt: "us" });
    await regions.heal();
  });
  return { ...outcome, note: `Redis took and forgot ${lost} writes of the region cut off` };
}

async function assertChangesPass(stage: RegionStage): Promise<void> {
  stage.setLoad(0);
  const tookMs = await timeToReaders(stage);
  assert.ok(tookMs < patientMs, `a change took ${Math.round(tookMs)} ms while the fault lasted`);
  stage.setLoad(10);
}
