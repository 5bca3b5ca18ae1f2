import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { realClock } from "../../../src/app/real-time.ts";
import type { Clock } from "../../../src/mesh/ports.ts";
import { timeToReaders } from "../support/fault.ts";
import { type Fault, redisFault } from "../support/redis-fault.ts";
import { leaseMs } from "../support/site.ts";

const minuteMs = 60_000;

/** Agents die, come back, meet their double, or tell another time. */
export const agentFaults: readonly Fault[] = [
  redisFault(
    "agent-killed",
    "an agent is killed and starts again (a new epoch)",
    {},
    async ({ east }) => {
      await east.kill();
      await wait(500);
      await east.start();
    },
  ),
  redisFault(
    "agent-without-disk",
    "an agent starts again and has forgotten who it was",
    {},
    async ({ east }) => {
      await east.kill();
      await wait(500);
      await east.start({ withDisk: false });
    },
  ),
  redisFault("hubs-gone", "the only hub is gone for more than a lease", {}, async ({ server }) => {
    await server.kill();
    await wait(leaseMs + 3000);
    await server.restart();
  }),
  redisFault(
    "hubs-gone-restart",
    "the same, and an agent restarts meanwhile with its copies on disk",
    {},
    async (stage) => {
      const { server, west, federation } = stage;
      // Copies are saved some seconds behind.
      await west.stop();
      await server.kill();
      await west.start();
      const held = west.catalog().shard(stage.east.member);
      assert.equal([...(held?.services() ?? [])].length, stage.east.services.size);
      assert.deepEqual(west.catalog().missing(), []);
      void federation;
      await wait(3000);
      await server.restart();
    },
  ),
  redisFault(
    "hubs-gone-forgetful",
    "the same without copies: it serves nobody until it knows",
    {},
    async (stage) => {
      const { server, west } = stage;
      await west.kill();
      await server.kill();
      await west.start({ withDisk: false });
      assert.equal(west.catalog().isWarm(), false);
      assert.equal(west.catalog().missing().length, 2);
      await wait(3000);
      assert.equal(west.catalog().isWarm(), false);
      await server.restart();
    },
  ),
  clockFault("clock-ahead", "one member's clock is 10 min ahead", 10 * minuteMs),
  clockFault("clock-behind", "one member's clock is 10 min behind", -10 * minuteMs),
];

function clockFault(name: string, title: string, aheadMs: number): Fault {
  return redisFault(name, title, {}, async (stage) => {
    const { east, federation } = stage;
    const skewed: Clock = { ...realClock, nowMs: () => Date.now() + aheadMs };
    await east.stop();
    await east.start({ clock: skewed });
    await timeToReaders(federation);
    await wait(2000);
    await east.stop();
    await east.start();
  });
}
