import assert from "node:assert/strict";
import { test } from "node:test";
import { createBuckets } from "../../../../src/discovery/shards/buckets.ts";
import type {
  CatalogStore,
  ShardWrite,
  SignedHead,
} from "../../../../src/discovery/shards/store.ts";
import { MeshError } from "../../../../src/mesh/errors.ts";
import { parseServiceId } from "../../../../src/mesh/ids.ts";
import type { Sign } from "../../../../src/mesh/ports.ts";
import type { FaultyHub } from "../../simulation/faulty-hub.ts";
import {
  type Agent,
  change,
  codesOf,
  healthyAt,
  inWorld,
  leaseMs,
  leasesOf,
  renewMs,
} from "../../support/agents.ts";
import { charterOf, east, serviceOf, south, west } from "../../support/made.ts";
import { createMemoryDisk } from "../../support/memory-disk.ts";
import type { VirtualTime } from "../../support/virtual-time.ts";
import { createHandWriter } from "../../support/writer.ts";

test("nothing is published before the sources are synced", () =>
  inWorld(async ({ time, agent }) => {
    const a = agent(east);
    const b = agent(west);
    await Promise.all([a.start(), b.start()]);
    change(a, serviceOf("shop/cart"));
    await time.advance(5000);
    assert.equal(b.catalog.memberStatus()[0]?.position, undefined);
    a.catalog.publishAll([]);
    await time.advance(100);
    assert.notEqual(b.catalog.memberStatus()[0]?.position, undefined);
  }));

for (const [what, spoil] of [
  ["a wiped hub", (hub: FaultyHub) => hub.wipe()],
  ["a hub rolled back", (hub: FaultyHub) => hub.rollBack(2)],
] as const) {
  test(`${what} has all again within a renewal, and readers notice nothing`, () =>
    inWorld(async ({ time, hubs, agent, pair }) => {
      const [a, b] = await pair();
      for (const healths of [["healthy", "healthy"], ["unhealthy"], ["healthy"]] as const) {
        change(a, serviceOf("shop/cart", { healths }));
        await time.advance(30);
      }
      const seen = b.events.length;
      spoil(hubs[0]);
      await time.advance(renewMs + 500);
      assert.deepEqual(b.events.slice(seen), []);
      const late = agent(south, { charter: charterOf([east, west, south]) });
      await late.start();
      await time.advance(100);
      assert.deepEqual([healthyAt(late, east), healthyAt(late, west)], [1, 1]);
    }));
}

test("records spoilt in a hub are sent again after the owner's next look, and never believed", () =>
  inWorld(async ({ time, hubs, agent, pair }) => {
    await pair();
    await hubs[0].spoil(east);
    const late = agent(south, { charter: charterOf([east, west, south]) });
    await late.start();
    await time.advance(21 * renewMs);
    assert.equal(healthyAt(late, east), 1);
  }));

test("a second agent with a taken name is refused and told who holds it", () =>
  inWorld(async ({ agent, pair }) => {
    await pair();
    const twin = agent(east);
    await assert.rejects(twin.start(), (error: Error & { code?: string }) => {
      assert.equal(error.code, "MESH_CATALOG_NAME_TAKEN");
      assert.match(error.message, /"east": instance \S+ on \S+ holds that name/);
      return true;
    });
  }));

test("an agent that started blind yields to the living holder of its name", () =>
  inWorld(async ({ time, hubs, agent, pair }) => {
    const [a, b] = await pair();
    const twin = agent(east);
    hubs[0].cutOff.add(twin.name);
    await twin.start();
    twin.catalog.publishAll([serviceOf("shop/evil")]);
    await time.advance(30_000);
    hubs[0].cutOff.clear();
    await time.advance(60_000);
    assert.ok(codesOf(twin).includes("CATALOG_NAME_TAKEN"));
    assert.deepEqual(codesOf(a), []);
    assert.equal(healthyAt(b, east), 1);
    assert.equal(b.catalog.shard(east)?.service(parseServiceId("shop/evil")), undefined);
  }));

test("an agent that yielded takes over when the holder falls silent", () =>
  inWorld(async ({ time, hubs, agent, pair }) => {
    const [a, b] = await pair();
    const twin = agent(east);
    hubs[0].cutOff.add(twin.name);
    await twin.start();
    twin.catalog.publishAll([serviceOf("shop/cart", { healths: ["healthy", "healthy"] })]);
    hubs[0].cutOff.clear();
    await time.advance(30_000);
    assert.ok(codesOf(twin).includes("CATALOG_NAME_TAKEN"));
    hubs[0].cutOff.add(a.name);
    await time.advance(3 * leaseMs);
    assert.deepEqual(codesOf(twin), []);
    assert.equal(healthyAt(b, east), 2);
    hubs[0].cutOff.clear();
    await time.advance(2 * leaseMs);
    assert.ok(codesOf(a).includes("CATALOG_NAME_TAKEN"));
    assert.equal(healthyAt(b, east), 2);
  }));

test("a restarted agent that remembers itself takes over at once with a higher epoch", () =>
  inWorld(async ({ time, agent }) => {
    const snapshots = createMemoryDisk();
    const first = agent(east, { snapshots });
    const b = agent(west);
    await Promise.all([first.start(), b.start()]);
    first.catalog.publishAll([serviceOf("shop/cart")]);
    await time.advance(100);
    const epoch = b.catalog.memberStatus()[0]?.position?.epoch ?? 0;
    await first.stop();
    const second = agent(east, { snapshots });
    const startedMs = time.clock.monotonicMs();
    await second.start();
    second.catalog.publishAll([serviceOf("shop/cart", { healths: ["unhealthy"] })]);
    await time.advance(50);
    assert.ok(time.clock.monotonicMs() - startedMs < 500);
    assert.equal(healthyAt(b, east), 0);
    assert.ok((b.catalog.memberStatus()[0]?.position?.epoch ?? 0) > epoch);
  }));

test("a restarted agent that forgot itself waits until its earlier life's lease is over", () =>
  inWorld(async ({ time, agent }) => {
    const first = agent(east);
    await first.start();
    first.catalog.publishAll([serviceOf("shop/cart")]);
    await time.advance(100);
    await first.stop();
    const startedMs = time.clock.monotonicMs();
    await agent(east).start();
    const waitedMs = time.clock.monotonicMs() - startedMs;
    assert.ok(waitedMs > leaseMs - 1000 && waitedMs < leaseMs + 1500, `${waitedMs}`);
  }));

for (const [whose, instanceOf] of [
  ["another instance", () => "thief"],
  ["this very instance", (a: Agent) => a.catalog.writerStatus()?.instance ?? ""],
] as const) {
  test(`a stolen key that signs an epoch of next month as ${whose} locks nobody out`, () =>
    inWorld(async ({ time, trust, hubs, pair }) => {
      const [a, b] = await pair();
      const nowMs = Math.floor(time.clock.nowMs());
      const thief = createHandWriter(east, { trust, nowMs });
      const epoch = nowMs + 30 * 86_400_000;
      const owner = { instance: instanceOf(a), host: "thief" };
      const { head } = await thief.snapshot(new Map(), { epoch, owner });
      await putWhole(hubs[0].connect("thief"), { time, head, epoch, over: b });
      change(a, serviceOf("shop/cart", { healths: ["healthy", "healthy"] }));
      await time.advance(2 * leaseMs);
      assert.equal(healthyAt(b, east), 2);
      assert.ok((a.catalog.writerStatus()?.epoch ?? epoch) < epoch);
    }));
}

test("a head signed with a certificate that has ended is outbid, and silences nobody", () =>
  inWorld(async ({ time, trust, hubs, pair }) => {
    const [a, b] = await pair();
    const nowMs = Math.floor(time.clock.nowMs());
    const epoch = nowMs + 3_600_000;
    const owner = { instance: "thief", host: "thief" };
    const { head } = await createHandWriter(east, { trust, nowMs }).snapshot(new Map(), {
      epoch,
      owner,
    });
    trust.expireAt(east, 0);
    trust.renew(east);
    await putWhole(hubs[0].connect("thief"), { time, head, epoch, over: b });
    change(a, serviceOf("shop/cart", { healths: ["healthy", "healthy"] }));
    await time.advance(2 * renewMs);
    assert.deepEqual(codesOf(a), []);
    assert.equal(healthyAt(b, east), 2);
    assert.ok((a.catalog.writerStatus()?.epoch ?? 0) > epoch);
  }));

test("a writer whose clock went back still publishes above its earlier epoch", () =>
  inWorld(async ({ time, agent }) => {
    const snapshots = createMemoryDisk();
    const b = agent(west);
    await b.start();
    const ahead = agent(east, {
      snapshots,
      clock: { ...time.clock, nowMs: () => time.clock.nowMs() + 3_600_000 },
    });
    await ahead.start();
    ahead.catalog.publishAll([serviceOf("shop/cart")]);
    await time.advance(100);
    await ahead.stop();
    const right = agent(east, { snapshots });
    await right.start();
    right.catalog.publishAll([serviceOf("shop/cart", { healths: ["unhealthy"] })]);
    await time.advance(100);
    assert.equal(healthyAt(b, east), 0);
  }));

test("a writer that lost its memory rises above an epoch of its own that it finds only later", () =>
  inWorld(async ({ time, hubs, agent }) => {
    const snapshots = createMemoryDisk();
    const b = agent(west);
    await b.start();
    const ahead = agent(east, {
      snapshots,
      clock: { ...time.clock, nowMs: () => time.clock.nowMs() + 3_600_000 },
    });
    await ahead.start();
    ahead.catalog.publishAll([serviceOf("shop/cart")]);
    await time.advance(100);
    await ahead.stop();
    const { instance = "" } = (await snapshots.loadWriter()) ?? {};
    await snapshots.saveWriter({ instance, epoch: 0 });
    const right = agent(east, { snapshots });
    hubs[0].cutOff.add(right.name);
    await right.start();
    right.catalog.publishAll([serviceOf("shop/cart", { healths: ["unhealthy"] })]);
    await time.advance(5000);
    hubs[0].cutOff.clear();
    await time.advance(3 * renewMs);
    assert.equal(healthyAt(b, east), 0);
  }));

test("a renewed certificate changes nothing for readers", () =>
  inWorld(async ({ time, trust, pair }) => {
    const [a, b] = await pair();
    trust.renew(east);
    trust.expireAt(east, 0);
    trust.renew(east);
    change(a, serviceOf("shop/cart", { healths: ["unhealthy"] }));
    await time.advance(100);
    assert.equal(healthyAt(b, east), 0);
    await time.advance(30_000);
    assert.equal(leasesOf(b).at(-1), "live");
  }));

test("a signer that fails for a while loses no change", () =>
  inWorld(async ({ time, trust, agent }) => {
    let isBroken = false;
    const inner = trust.signFor(east);
    const sign: Sign = (bytes) => (isBroken ? Promise.reject(new Error("no key")) : inner(bytes));
    const a = agent(east, { sign });
    const b = agent(west);
    await Promise.all([a.start(), b.start()]);
    a.catalog.publishAll([serviceOf("shop/cart")]);
    await time.advance(100);
    isBroken = true;
    change(a, serviceOf("shop/cart", { healths: ["unhealthy"] }));
    await time.advance(5000);
    assert.equal(healthyAt(b, east), 1);
    isBroken = false;
    await time.advance(1500);
    assert.equal(healthyAt(b, east), 0);
  }));

test("a mass withdrawal is held, reported, and carried out when confirmed", () =>
  inWorld(async ({ time, agent }) => {
    const a = agent(east);
    const b = agent(west);
    await Promise.all([a.start(), b.start()]);
    const services = ["shop/cart", "shop/a", "shop/b"].map((id) => serviceOf(id));
    a.catalog.publishAll(services);
    await time.advance(100);
    a.catalog.publish({ upserts: [], removed: services.map((one) => one.id) });
    await time.advance(5000);
    assert.ok(codesOf(a).includes("CATALOG_WITHDRAWAL_HELD"));
    assert.equal([...(b.catalog.shard(east)?.services() ?? [])].length, 3);
    a.catalog.confirmWithdrawals();
    await time.advance(100);
    assert.equal([...(b.catalog.shard(east)?.services() ?? [])].length, 0);
    assert.deepEqual(codesOf(a), []);
  }));

test("a writer that nobody heard for a lease comes back with a higher epoch", () =>
  inWorld(async ({ time, hubs, pair }) => {
    const [a, b] = await pair();
    const epochSeen = (): number => b.catalog.memberStatus()[0]?.position?.epoch ?? 0;
    const before = epochSeen();
    hubs[0].cutOff.add(a.name);
    await time.advance(leaseMs - 2 * renewMs);
    hubs[0].cutOff.delete(a.name);
    await time.advance(2 * renewMs);
    assert.equal(epochSeen(), before);
    hubs[0].cutOff.add(a.name);
    await time.advance(2 * leaseMs);
    hubs[0].cutOff.delete(a.name);
    await time.advance(2 * renewMs);
    assert.ok(epochSeen() > before);
    assert.equal(healthyAt(b, east), 1);
  }));

test("a hub that can be read but takes no writes is reported", () =>
  inWorld(async ({ time, hubs, agent }) => {
    const store = hubs[0].connect("writer");
    const readOnly = {
      ...hubs[0],
      connect: () => ({
        ...store,
        publish: () => Promise.reject(new MeshError("MESH_CATALOG_UNAVAILABLE", "NOPERM")),
      }),
    };
    const a = agent(east, { hubs: [readOnly] });
    await a.start();
    a.catalog.publishAll([]);
    await time.advance(1000);
    const [hub] = a.catalog.hubs();
    assert.deepEqual(
      [hub?.name, hub?.state, hub?.isReadable, hub?.isWritable],
      ["hub-1", "read-only", true, false],
    );
    assert.match(hub?.lastError?.reason ?? "", /NOPERM/);
    assert.deepEqual(codesOf(a), ["CATALOG_HUB_UNREACHABLE"]);
  }));

/** Puts a shard without records in the place of what the hub holds of east. */
async function putWhole(
  hub: CatalogStore,
  {
    time,
    head,
    epoch,
    over,
  }: {
    readonly time: VirtualTime;
    readonly head: SignedHead;
    readonly epoch: number;
    readonly over: Agent;
  },
): Promise<void> {
  const write: ShardWrite = {
    t: "whole",
    member: east,
    expected: over.catalog.memberStatus()[0]?.position,
    position: { epoch, seq: 1, digest: createBuckets().digest() },
    changed: new Map(),
    removed: [],
    head,
  };
  const stored = await time.until(hub.publish(write, new AbortController().signal));
  assert.equal(stored.t, "stored");
}
