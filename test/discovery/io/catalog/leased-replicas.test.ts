import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  type LeaseElection,
  startLeaseElection,
} from "../../../../src/discovery/io/kubernetes/lease.ts";
import { leaderPortOf } from "../../../../src/discovery/publish/election.ts";
import {
  type Agent,
  codesOf,
  healthyAt,
  inWorld,
  leaseMs,
  type World,
} from "../../support/agents.ts";
import { createLeaseStore, type LeaseStore } from "../../support/lease-store.ts";
import { east, serviceOf, silentLog, west } from "../../support/made.ts";
import { createMemoryDisk } from "../../support/memory-disk.ts";

/** Of the Lease; the catalog's own is longer. */
const durationMs = 6000;
const lookMs = 1000;
const ref = { namespace: "isthmus-system", name: "isthmus-agent" };

interface Contender extends Agent {
  readonly election: () => LeaseElection;
  /** Neither hub nor API server hears of it any more. */
  readonly die: () => void;
  /** Only the API server does not. */
  readonly cutOff: (isCut: boolean) => void;
}

const cartOf = (count: number): ReturnType<typeof serviceOf> =>
  serviceOf("shop/cart", { healths: Array.from({ length: count }, () => "healthy" as const) });

function contender(world: World, store: LeaseStore, host: string): Contender {
  const { time, hubs } = world;
  let made: LeaseElection | undefined;
  const agent = world.agent(east, {
    snapshots: createMemoryDisk(),
    elect: (self) => {
      made = startLeaseElection({
        api: store.connect(host),
        ref,
        self: { ...self, host },
        durationMs,
        clock: time.clock,
        timers: time.timers,
        random: () => 0.5,
        log: silentLog,
      });
      return made;
    },
  });
  return {
    ...agent,
    election: () => made ?? assert.fail("it has not started"),
    die: () => {
      store.cutOff.add(host);
      hubs[0].cutOff.add(agent.name);
    },
    cutOff: (isCut) => void (isCut ? store.cutOff.add(host) : store.cutOff.delete(host)),
  };
}

function roleOf({ catalog }: Agent): "writes" | "waits" | "is held off" {
  const status = catalog.writerStatus();
  if (status?.isStandby === true) return "waits";
  return status?.fencedBy === undefined ? "writes" : "is held off";
}

function epochAt(reader: Agent): number {
  return reader.catalog.memberStatus()[0]?.position?.epoch ?? 0;
}

/** Two contenders, of which the first one writes, and a reader. Their carts tell them apart. */
async function onStage(
  run: (stage: {
    readonly world: World;
    readonly store: LeaseStore;
    readonly first: Contender;
    readonly second: Contender;
    readonly reader: Agent;
  }) => Promise<void>,
): Promise<void> {
  await inWorld(async (world) => {
    const store = createLeaseStore();
    const [first, second] = [contender(world, store, "a"), contender(world, store, "b")];
    const reader = world.agent(west);
    await Promise.all([first.start(), reader.start()]);
    first.catalog.publishAll([cartOf(1)]);
    reader.catalog.publishAll([]);
    await second.start();
    second.catalog.publishAll([cartOf(2)]);
    await world.time.advance(2 * leaseMs);
    await run({ world, store, first, second, reader });
    await Promise.all(
      [first, second].map((one) => world.time.until(one.election()[Symbol.asyncDispose]())),
    );
  });
}

suite("replicas that elect by a Lease", () => {
  test("one writes, the other waits without a complaint and says who writes", () =>
    onStage(async ({ store, first, second, reader }) => {
      assert.deepEqual([first, second].map(roleOf), ["writes", "waits"]);
      assert.equal(second.catalog.writerStatus()?.fencedBy?.host, "a");
      assert.deepEqual([...codesOf(first), ...codesOf(second)], []);
      assert.equal(second.catalog.hubs()[0]?.state, "standby");
      assert.equal(healthyAt(reader, east), 1);
      const recorded = store.object()?.metadata.annotations?.["isthmus.dev/epoch"];
      assert.equal(Number(recorded), epochAt(reader));
    }));

  test("a killed writer is replaced within the Lease and a look; readers never take its shard for lost", () =>
    onStage(async ({ world, first, second, reader }) => {
      const before = epochAt(reader);
      first.die();
      await world.time.advance(durationMs + lookMs + 200);
      assert.equal(roleOf(second), "writes");
      assert.equal(healthyAt(reader, east), 2);
      assert.ok(epochAt(reader) > before);
      assert.equal(reader.catalog.memberStatus()[0]?.lease, "live");
    }));

  test("a writer that was away comes back as the one that waits, and nobody ousts anybody", () =>
    onStage(async ({ world, store, first, second, reader }) => {
      first.die();
      await world.time.advance(2 * leaseMs);
      store.cutOff.clear();
      world.hubs[0].cutOff.clear();
      await world.time.advance(2 * leaseMs);
      assert.deepEqual([first, second].map(roleOf), ["waits", "writes"]);
      assert.deepEqual([...codesOf(first), ...codesOf(second)], []);
      const epoch = epochAt(reader);
      await world.time.advance(6 * leaseMs);
      assert.equal(epochAt(reader), epoch);
    }));

  test("while the API server is away the writer writes on, but does not lead; nobody takes over", () =>
    onStage(async ({ world, first, second, reader }) => {
      const leader = leaderPortOf(first.election());
      const heard: boolean[] = [];
      leader.onChange((isLeader) => heard.push(isLeader));
      for (const one of [first, second]) one.cutOff(true);
      await world.time.advance(600_000);
      assert.deepEqual([first, second].map(roleOf), ["writes", "waits"]);
      assert.equal(reader.catalog.memberStatus()[0]?.lease, "live");
      first.catalog.publish({ upserts: [cartOf(3)], removed: [] });
      await world.time.advance(1000);
      assert.equal(healthyAt(reader, east), 3);
      assert.deepEqual(heard, [false]);
      for (const one of [first, second]) one.cutOff(false);
      await world.time.advance(2 * leaseMs);
      assert.deepEqual([first, second].map(roleOf), ["writes", "waits"]);
      assert.deepEqual(heard, [false, true]);
    }));

  test("a writer that alone cannot reach the API server is fenced by the new one, and waits", () =>
    onStage(async ({ world, first, second, reader }) => {
      first.cutOff(true);
      await world.time.advance(2 * leaseMs);
      assert.deepEqual([first, second].map(roleOf), ["waits", "writes"]);
      assert.equal(healthyAt(reader, east), 2);
      first.cutOff(false);
      await world.time.advance(2 * leaseMs);
      assert.deepEqual([first, second].map(roleOf), ["waits", "writes"]);
      assert.deepEqual([...codesOf(first), ...codesOf(second)], []);
    }));

  test("a hub that was wiped and a new disk bring no old epoch back: the Lease knows it", () =>
    onStage(async ({ world, store, first, second, reader }) => {
      const before = epochAt(reader);
      await first.stop();
      await world.time.until(first.election()[Symbol.asyncDispose]());
      world.hubs[0].wipe();
      await world.time.advance(lookMs + 500);
      assert.equal(roleOf(second), "writes");
      const now = Number(store.object()?.metadata.annotations?.["isthmus.dev/epoch"]);
      assert.ok(now > before);
      await world.time.advance(leaseMs);
      assert.equal(epochAt(reader), second.catalog.writerStatus()?.epoch);
      assert.ok(epochAt(reader) > before);
    }));

  test("an epoch in the Lease that no reader would take is not believed", () =>
    onStage(async ({ world, store, first, second, reader }) => {
      const held = store.object();
      assert.ok(held !== undefined);
      const annotations = { "isthmus.dev/epoch": "9007199254740991" };
      const type = { group: "", version: "", resource: "" };
      await store
        .connect("x")
        .replace(type, { ...held, metadata: { ...held.metadata, annotations } });
      first.die();
      await world.time.advance(2 * leaseMs);
      assert.equal(roleOf(second), "writes");
      assert.equal(healthyAt(reader, east), 2);
    }));

  test("two clusters that were given one name do not oust each other: the second is told who holds it", () =>
    onStage(async ({ world, first, reader }) => {
      const elsewhere = contender(world, createLeaseStore(), "z");
      await assert.rejects(elsewhere.start(), { code: "MESH_CATALOG_NAME_TAKEN" });
      await world.time.until(elsewhere.election()[Symbol.asyncDispose]());
      const epoch = epochAt(reader);
      await world.time.advance(3 * leaseMs);
      assert.equal(epochAt(reader), epoch);
      assert.equal(roleOf(first), "writes");
    }));
});
