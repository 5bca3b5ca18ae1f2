import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { patientMs, timeToReaders } from "../support/fault.ts";
import { type Fault, redisFault } from "../support/redis-fault.ts";
import type { RedisStage } from "../support/redis-stage.ts";

/** Long enough that every call of an agent has failed at least once. */
const faultMs = 6000;

/** A hub is silent, slow, full, gone, or another one than it was. */
export const hubFaults: readonly Fault[] = [
  redisFault("hang", "the hub hangs (SIGSTOP)", {}, async ({ server }) => {
    server.hang();
    await wait(faultMs);
    server.resume();
  }),
  redisFault(
    "one-of-two-hangs",
    "one of two hubs hangs; changes go on over the other",
    { hubs: 2 },
    async (stage) => {
      stage.server.hang();
      await wait(500);
      await assertChangesPass(stage);
      await wait(faultMs);
      await assertChangesPass(stage);
      stage.server.resume();
    },
  ),
  redisFault(
    "one-of-two-dies",
    "one of two hubs dies and comes back empty",
    { hubs: 2 },
    async (stage) => {
      await stage.server.kill();
      await wait(500);
      await assertChangesPass(stage);
      await wait(faultMs);
      await stage.server.restart();
    },
  ),
  redisFault("slow", "the hub answers after 1 s; changes pass all the same", {}, async (stage) => {
    for (const wire of stage.wires) wire.setDelayMs(500);
    await wait(faultMs);
    await assertChangesPass(stage);
    for (const wire of stage.wires) await wire.heal();
  }),
  redisFault("silent-path", "the path to the hub swallows everything", {}, async ({ wires }) => {
    for (const wire of wires) wire.silence();
    await wait(faultMs);
    for (const wire of wires) await wire.heal();
  }),
  redisFault(
    "one-member-cut-off",
    "one member alone cannot reach the hub",
    {},
    async ({ wire, west }) => {
      wire(west).silence();
      await wait(faultMs);
      await wire(west).heal();
    },
  ),
  redisFault("broken-path", "connections are reset and refused", {}, async ({ wires }) => {
    for (const wire of wires) await wire.cut();
    await wait(faultMs);
    for (const wire of wires) await wire.heal();
  }),
  redisFault("restart-empty", "the hub restarts without its data", {}, async ({ server }) => {
    await server.kill();
    await wait(2000);
    await server.restart();
  }),
  redisFault("restart-old", "the hub restarts with old data", {}, async ({ server }) => {
    await server.command("SAVE");
    await wait(1500);
    await server.kill();
    await wait(1000);
    await server.restart();
  }),
  redisFault("full", "the hub's memory is full", {}, async ({ server }) => {
    await server.command("CONFIG", "SET", "maxmemory", "1");
    await wait(faultMs);
    await server.command("CONFIG", "SET", "maxmemory", "0");
  }),
  redisFault(
    "read-only",
    "the hub becomes a replica of nobody (READONLY)",
    {},
    async ({ server }) => {
      await server.command("REPLICAOF", "127.0.0.1", "1");
      await wait(faultMs);
      await server.command("REPLICAOF", "NO", "ONE");
    },
  ),
];

async function assertChangesPass(stage: RedisStage): Promise<void> {
  stage.federation.setLoad(0);
  const tookMs = await timeToReaders(stage.federation);
  assert.ok(tookMs < patientMs, `a change took ${Math.round(tookMs)} ms while the fault lasted`);
  stage.federation.setLoad(10);
}
