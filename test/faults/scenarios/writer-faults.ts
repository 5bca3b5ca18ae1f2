import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { type Fault, patientMs } from "../support/fault.ts";
import { redisFault } from "../support/redis-fault.ts";
import type { RedisStage } from "../support/redis-stage.ts";
import { leaseMs, type Site } from "../support/site.ts";

/** Two agents that both believe to be the same member. */
export const writerFaults: readonly Fault[] = [
  redisFault("taken-name", "a second agent wants a name that is taken", {}, async (stage) => {
    const rival = stage.federation.rival(stage.east);
    await assert.rejects(rival.start(), { code: "MESH_CATALOG_NAME_TAKEN" });
    await rival.kill();
  }),
  redisFault(
    "two-writers",
    "two agents write one shard, each in its half of a split",
    { hubs: 2 },
    async (stage) => {
      const { east, federation, wire } = stage;
      wire(east, 1).silence();
      const rival = federation.rival(east, [1]);
      // It sees nobody renew the lease in its half.
      await rival.start();
      federation.setLoad(0);
      await federation.untilKnown(rival);
      await wire(east, 1).heal();
      await untilFenced(east);
      const startMs = performance.now();
      await federation.changeAll();
      await federation.untilKnown(rival);
      const tookMs = performance.now() - startMs;
      assert.ok(tookMs < patientMs, `a change of the one that stays took ${Math.round(tookMs)} ms`);
      await rival.stop();
      await untilTaken(stage);
    },
  ),
];

/** The one with the older epoch must fall silent. */
async function untilFenced(site: Site): Promise<void> {
  await until("the other writer falls silent", () => {
    return site.catalog().writerStatus()?.fencedBy !== undefined;
  });
}

/** Once nobody renews any more, it takes its name back. */
async function untilTaken({ east }: RedisStage): Promise<void> {
  await until("the name is taken back", () => {
    return east.catalog().writerStatus()?.fencedBy === undefined;
  });
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const deadlineMs = performance.now() + 3 * leaseMs; !isSo(); await wait(20)) {
    if (performance.now() > deadlineMs) throw new Error(`It never came true: ${what}`);
  }
}
