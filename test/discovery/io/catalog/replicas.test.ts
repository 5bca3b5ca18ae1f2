import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Agent,
  change,
  codesOf,
  healthyAt,
  inWorld,
  leaseMs,
  leasesOf,
  renewMs,
  type World,
} from "../../support/agents.ts";
import { east, serviceOf, west } from "../../support/made.ts";
import { createMemoryDisk } from "../../support/memory-disk.ts";

const isReplica = true;
const cartOf = (count: number): ReturnType<typeof serviceOf> =>
  serviceOf("shop/cart", { healths: Array.from({ length: count }, () => "healthy" as const) });

function roleOf(agent: Agent): "writes" | "waits" {
  return agent.catalog.writerStatus()?.fencedBy === undefined ? "writes" : "waits";
}

function epochAt(reader: Agent): number {
  return reader.catalog.memberStatus()[0]?.position?.epoch ?? 0;
}

/** Two replicas of east, of which the first one writes, and a reader. Their carts tell them apart. */
async function replicas(
  { agent, time }: World,
  how: Parameters<World["agent"]>[1] = {},
): Promise<readonly [Agent, Agent, Agent]> {
  const first = agent(east, { isReplica, snapshots: createMemoryDisk(), ...how });
  const reader = agent(west, how.hubs === undefined ? {} : { hubs: how.hubs });
  await Promise.all([first.start(), reader.start()]);
  first.catalog.publishAll([cartOf(1)]);
  reader.catalog.publishAll([]);
  await time.advance(100);
  const second = agent(east, { isReplica, snapshots: createMemoryDisk(), ...how });
  await second.start();
  second.catalog.publishAll([cartOf(2)]);
  await time.advance(2 * leaseMs);
  return [first, second, reader];
}

test("of two replicas one writes, the other waits without a complaint", () =>
  inWorld(async (world) => {
    const [first, second, reader] = await replicas(world);
    assert.deepEqual([first, second].map(roleOf), ["writes", "waits"]);
    assert.deepEqual([...codesOf(first), ...codesOf(second)], []);
    assert.equal(second.catalog.hubs()[0]?.state, "standby");
    assert.equal(healthyAt(reader, east), 1);
  }));

test("a replica takes over within a lease and a look when the writer dies, and readers see no gap", () =>
  inWorld(async (world) => {
    const { hubs, time } = world;
    const [first, second, reader] = await replicas(world);
    const before = epochAt(reader);
    const seen = leasesOf(reader).length;
    hubs[0].cutOff.add(first.name);
    await time.advance(leaseMs + 1000);
    assert.equal(roleOf(second), "writes");
    assert.equal(healthyAt(reader, east), 2);
    assert.ok(epochAt(reader) > before);
    assert.ok(leasesOf(reader).slice(seen).length <= 2, "lost at most once, and live again");
    assert.equal(reader.catalog.memberStatus()[0]?.lease, "live");
  }));

test("a writer that was away comes back as the one that waits", () =>
  inWorld(async (world) => {
    const { hubs, time } = world;
    const [first, second, reader] = await replicas(world);
    hubs[0].cutOff.add(first.name);
    await time.advance(2 * leaseMs);
    hubs[0].cutOff.clear();
    await time.advance(2 * leaseMs);
    assert.deepEqual([first, second].map(roleOf), ["waits", "writes"]);
    assert.deepEqual([...codesOf(first), ...codesOf(second)], []);
    const epoch = epochAt(reader);
    await time.advance(6 * leaseMs);
    assert.equal(epochAt(reader), epoch, "nobody ousts anybody any more");
  }));

test("a writer that restarts and remembers itself goes on at once, past the replica that waits", () =>
  inWorld(async (world) => {
    const { agent, time } = world;
    const snapshots = createMemoryDisk();
    const [first, second, reader] = await replicas(world, {});
    await first.stop();
    // Its own disk, not the one that the helper made.
    const again = agent(east, { isReplica, snapshots });
    const own = first.catalog.writerStatus();
    assert.ok(own !== undefined);
    const head = reader.catalog.memberStatus()[0]?.owner?.instance ?? "";
    await snapshots.saveWriter({ instance: head, epoch: own.epoch });
    await again.start();
    again.catalog.publishAll([cartOf(3)]);
    await time.advance(200);
    assert.equal(healthyAt(reader, east), 3);
    await time.advance(2 * leaseMs);
    assert.deepEqual([again, second].map(roleOf), ["writes", "waits"]);
  }));

test("a replica is refused a name that an agent holds which shares it with nobody, and the other way round", () =>
  inWorld(async ({ agent, time }) => {
    const alone = agent(east);
    await alone.start();
    alone.catalog.publishAll([cartOf(1)]);
    await time.advance(100);
    const late = agent(east, { isReplica });
    await assert.rejects(late.start(), { code: "MESH_CATALOG_NAME_TAKEN" });
    await alone.stop();
    const shared = agent(east, { isReplica });
    await shared.start();
    shared.catalog.publishAll([cartOf(1)]);
    await time.advance(100);
    await assert.rejects(agent(east).start(), {
      code: "MESH_CATALOG_NAME_TAKEN",
      message: /holds that name; it shares it with replicas only/,
    });
  }));

test("two replicas that start at the same moment agree on one writer", () =>
  inWorld(async ({ agent, time }) => {
    const reader = agent(west);
    const both = [agent(east, { isReplica }), agent(east, { isReplica })] as const;
    await Promise.all([reader, ...both].map((one) => one.start()));
    for (const one of both) one.catalog.publishAll([cartOf(1)]);
    await time.advance(4 * leaseMs);
    assert.deepEqual(both.map(roleOf).toSorted(), ["waits", "writes"]);
    const epoch = epochAt(reader);
    await time.advance(6 * leaseMs);
    assert.equal(epochAt(reader), epoch);
    assert.equal(healthyAt(reader, east), 1);
  }));

test("replicas that started with every hub down agree on one writer once a hub is there", () =>
  inWorld(async ({ agent, hubs, time }) => {
    const reader = agent(west);
    const both = [agent(east, { isReplica }), agent(east, { isReplica })] as const;
    for (const one of both) hubs[0].cutOff.add(one.name);
    await Promise.all([reader, ...both].map((one) => one.start()));
    for (const one of both) one.catalog.publishAll([cartOf(1)]);
    await time.advance(30_000);
    hubs[0].cutOff.clear();
    await time.advance(4 * leaseMs);
    assert.deepEqual(both.map(roleOf).toSorted(), ["waits", "writes"]);
    assert.equal(healthyAt(reader, east), 1);
    const epoch = epochAt(reader);
    await time.advance(6 * leaseMs);
    assert.equal(epochAt(reader), epoch);
  }));

test("while no hub answers, a replica that waits takes nothing over", () =>
  inWorld(async (world) => {
    const { hubs, time } = world;
    const [first, second, reader] = await replicas(world);
    const epoch = epochAt(reader);
    for (const one of [first, second]) hubs[0].cutOff.add(one.name);
    await time.advance(6 * leaseMs);
    assert.deepEqual([first, second].map(roleOf), ["writes", "waits"]);
    hubs[0].cutOff.clear();
    await time.advance(2 * leaseMs);
    assert.deepEqual([first, second].map(roleOf), ["writes", "waits"]);
    assert.ok(epochAt(reader) >= epoch);
    assert.equal(healthyAt(reader, east), 1);
  }));

test("one hub of two that does not hear the writer any more changes nothing", () =>
  inWorld(async (world) => {
    const { hubs, time } = world;
    const [first, second, reader] = await replicas(world, { hubs: [...hubs] });
    const epoch = epochAt(reader);
    hubs[1].cutOff.add(first.name);
    await time.advance(6 * leaseMs);
    assert.deepEqual([first, second].map(roleOf), ["writes", "waits"]);
    assert.equal(epochAt(reader), epoch);
  }));

test("a split writer that most hubs do not hear is replaced, and yields when they meet again", () =>
  inWorld(async (world) => {
    const { time, hubs } = world;
    const third = world.moreHubs(1);
    const all = [...hubs, ...third];
    const [first, second, reader] = await replicas(world, { hubs: all });
    for (const hub of hubs) hub.cutOff.add(first.name);
    await time.advance(2 * leaseMs);
    assert.equal(roleOf(second), "writes");
    assert.equal(healthyAt(reader, east), 2);
    for (const hub of all) hub.cutOff.clear();
    await time.advance(2 * leaseMs);
    assert.deepEqual([first, second].map(roleOf), ["waits", "writes"]);
    assert.equal(healthyAt(reader, east), 2);
  }));

test("replicas whose clocks are ten minutes apart do not oust each other", () =>
  inWorld(async (world) => {
    const { time, agent } = world;
    const clock = { ...time.clock, nowMs: () => time.clock.nowMs() + 600_000 };
    const first = agent(east, { isReplica });
    const reader = agent(west);
    await Promise.all([first.start(), reader.start()]);
    first.catalog.publishAll([cartOf(1)]);
    await time.advance(100);
    const second = agent(east, { isReplica, clock });
    await second.start();
    second.catalog.publishAll([cartOf(2)]);
    await time.advance(6 * leaseMs);
    assert.deepEqual([first, second].map(roleOf), ["writes", "waits"]);
    assert.equal(healthyAt(reader, east), 1);
  }));

test("a replica that takes over withdraws from what was published last, under the same guard", () =>
  inWorld(async (world) => {
    const { hubs, time } = world;
    const [first, second, reader] = await replicas(world);
    for (const name of ["a", "b", "c"]) change(first, serviceOf(`shop/${name}`));
    await time.advance(2 * renewMs);
    hubs[0].cutOff.add(first.name);
    await time.advance(2 * leaseMs);
    assert.equal(roleOf(second), "writes");
    assert.ok(codesOf(second).includes("CATALOG_WITHDRAWAL_HELD"));
    assert.equal([...(reader.catalog.shard(east)?.services() ?? [])].length, 4);
  }));
