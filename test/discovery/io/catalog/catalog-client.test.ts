import assert from "node:assert/strict";
import { test } from "node:test";
import {
  cart,
  change,
  codesOf,
  healthyAt,
  inWorld,
  leaseMs,
  leasesOf,
  renewMs,
} from "../../support/agents.ts";
import { charterOf, east, serviceOf, signedCharterOf, south, west } from "../../support/made.ts";
import { createMemoryDisk } from "../../support/memory-disk.ts";

test("an export is in another member's shard as soon as it is written", () =>
  inWorld(async ({ time, pair }) => {
    const [a, b] = await pair();
    assert.deepEqual(b.catalog.shard(east)?.service(cart)?.identities, [
      "spiffe://east.acme.mesh/ns/shop/sa/cart",
    ]);
    change(a, serviceOf("shop/cart", { healths: ["unhealthy"] }));
    await time.advance(30);
    assert.equal(healthyAt(b, east), 0);
    assert.equal(healthyAt(a, west), 1);
  }));

test("gateways and software of a member reach the others", () =>
  inWorld(async ({ time, pair }) => {
    const [a, b] = await pair();
    a.catalog.publishMember({ gateways: [{ host: "gw.example", port: 15_443 }] });
    await time.advance(30);
    const record = b.catalog.shard(east)?.memberRecord();
    assert.deepEqual(record?.gateways, [{ host: "gw.example", port: 15_443 }]);
    assert.equal(record?.software, "0.1.0");
  }));

test("a member that falls silent loses its lease and nothing else", () =>
  inWorld(async ({ time, hubs, pair }) => {
    const [a, b] = await pair();
    await time.advance(20_000);
    assert.deepEqual(leasesOf(b), ["live"]);
    hubs[0].cutOff.add(a.name);
    await time.advance(leaseMs + 1000);
    assert.deepEqual(leasesOf(b), ["live", "lost"]);
    await time.advance(3_600_000);
    assert.equal(healthyAt(b, east), 1);
    hubs[0].cutOff.delete(a.name);
    await time.advance(2 * renewMs);
    assert.deepEqual(leasesOf(b), ["live", "lost", "live"]);
  }));

test("a hub that hangs takes no entry away and is reported", () =>
  inWorld(async ({ time, hubs, pair }) => {
    const [a, b] = await pair();
    hubs[0].cutOff.add(a.name).add(b.name);
    await time.advance(600_000);
    assert.equal(healthyAt(b, east), 1);
    assert.equal(b.catalog.hubs()[0]?.isReadable, false);
    assert.ok(codesOf(b).includes("CATALOG_HUB_UNREACHABLE"));
    change(a, serviceOf("shop/cart", { healths: ["healthy", "healthy"] }));
    await time.advance(60_000);
    hubs[0].cutOff.clear();
    await time.advance(5000);
    assert.equal(healthyAt(b, east), 2);
    assert.equal(b.catalog.hubs()[0]?.isReadable, true);
    assert.deepEqual(codesOf(b), []);
  }));

test("with one of two hubs gone the other carries the mesh, and the first is brought in step", () =>
  inWorld(async ({ time, hubs, agent }) => {
    const a = agent(east, { hubs });
    const b = agent(west, { hubs });
    for (const one of [a, b]) {
      await one.start();
      one.catalog.publishAll([serviceOf("shop/cart")]);
    }
    await time.advance(100);
    hubs[0].cutOff.add(a.name).add(b.name);
    change(a, serviceOf("shop/cart", { healths: ["unhealthy"] }));
    await time.advance(50);
    assert.equal(healthyAt(b, east), 0);
    await time.advance(60_000);
    assert.equal(leasesOf(b).at(-1), "live");
    hubs[0].cutOff.clear();
    await time.advance(7000);
    hubs[1].cutOff.add(a.name).add(b.name);
    change(a, serviceOf("shop/cart", { healths: ["healthy", "healthy"] }));
    await time.advance(50);
    assert.equal(healthyAt(b, east), 2);
  }));

test("agents that share no hub but have one in common with a third do not see each other", () =>
  inWorld(async ({ time, hubs, agent }) => {
    const a = agent(east, { hubs: [hubs[0]] });
    const b = agent(west, { hubs: [hubs[1]] });
    await Promise.all([a.start(), b.start()]);
    a.catalog.publishAll([serviceOf("shop/cart")]);
    await time.advance(10_000);
    assert.equal(healthyAt(b, east), undefined);
    assert.equal(b.catalog.isWarm(), true, "absent in all readable hubs is known");
  }));

test("an agent that starts with every hub down knows what its disk knows and is warm", () =>
  inWorld(async ({ time, hubs, agent, pair }) => {
    await pair();
    const snapshots = createMemoryDisk();
    const charter = charterOf([east, west, south]);
    const first = agent(south, { snapshots, charter });
    await first.start();
    await time.advance(100);
    await first.stop();
    const second = agent(south, { snapshots, charter });
    hubs[0].cutOff.add(second.name);
    await second.start();
    assert.equal(healthyAt(second, east), 1);
    assert.equal(second.catalog.isWarm(), true);
    assert.equal(second.catalog.memberStatus()[0]?.lease, "lost");
  }));

test("an agent without copies is warm when all is loaded, or after 30 s", () =>
  inWorld(async ({ time, hubs, agent, pair }) => {
    await pair();
    const late = agent(south, { charter: charterOf([east, west, south]) });
    hubs[0].cutOff.add(late.name);
    await late.start();
    assert.equal(late.catalog.isWarm(), false);
    assert.deepEqual(late.catalog.missing(), [east, west]);
    hubs[0].cutOff.clear();
    await time.advance(7000);
    assert.equal(late.catalog.isWarm(), true);
    const blind = agent(south, { charter: charterOf([east, west, south]) });
    hubs[0].cutOff.add(blind.name);
    const startedMs = time.clock.monotonicMs();
    await blind.start();
    await time.advance(startedMs + 29_999 - time.clock.monotonicMs());
    assert.equal(blind.catalog.isWarm(), false);
    await time.advance(1);
    assert.equal(blind.catalog.isWarm(), true);
    assert.deepEqual(blind.catalog.missing(), [east, west]);
  }));

test("a denied member is gone at once, from the disk too, and stays out", () =>
  inWorld(async ({ time, trust, agent }) => {
    const snapshots = createMemoryDisk();
    const a = agent(east);
    const b = agent(west, { snapshots });
    for (const one of [a, b]) {
      await one.start();
      one.catalog.publishAll([serviceOf("shop/cart")]);
    }
    await time.advance(15_000);
    assert.notEqual(await snapshots.load(east), undefined);
    const charter = charterOf([east, west], { number: 2 });
    const denied = {
      ...charter,
      members: charter.members.map((one) =>
        one.name === east ? { ...one, state: "denied" as const } : one,
      ),
    };
    trust.deny(east);
    b.catalog.setCharter(denied, signedCharterOf(denied));
    assert.deepEqual(b.events.at(-1), { t: "gone", member: east });
    assert.equal(b.catalog.shard(east), undefined);
    change(a, serviceOf("shop/cart", { healths: ["healthy", "healthy"] }));
    await time.advance(20_000);
    assert.equal(b.catalog.shard(east), undefined);
    assert.equal(await snapshots.load(east), undefined);
  }));

test("a newer charter that one agent knows is shown to all others", () =>
  inWorld(async ({ time, pair }) => {
    const [a, b] = await pair();
    const charter = charterOf([east, west, south], { number: 2 });
    a.catalog.setCharter(charter, signedCharterOf(charter));
    await time.advance(renewMs + 100);
    const event = b.events.find((one) => one.t === "charters");
    assert.deepEqual(event?.t === "charters" && event.charters, [signedCharterOf(charter)]);
    b.catalog.setCharter(charter, signedCharterOf(charter));
    assert.deepEqual(b.catalog.members(), [east, south]);
  }));

test("a member whose issuer the charter no longer lists is forgotten, others stay", () =>
  inWorld(async ({ time, trust, pair }) => {
    const [, b] = await pair();
    const charter = charterOf([east, west], { number: 2, entries: { issuers: ["other"] } });
    trust.deny(east);
    b.catalog.setCharter(charter, signedCharterOf(charter));
    await time.advance(10_000);
    assert.deepEqual([...(b.catalog.shard(east)?.services() ?? [])], []);
  }));

test("the last beat of a member that died long ago says nothing of its clock", () =>
  inWorld(async ({ time, agent }) => {
    const a = agent(east);
    await a.start();
    a.catalog.publishAll([]);
    await time.advance(10_000);
    await a.catalog[Symbol.asyncDispose]();
    await time.advance(600_000);
    const b = agent(west);
    await b.start();
    await time.advance(10_000);
    assert.ok(b.catalog.shard(east)?.memberRecord() !== undefined, "its shard was read");
    assert.deepEqual(codesOf(b), []);
  }));

test("a clock more than 30 s off is reported by those who read", () =>
  inWorld(async ({ time, agent }) => {
    const a = agent(east, {
      clock: { ...time.clock, nowMs: () => time.clock.nowMs() - 45_000 },
    });
    const b = agent(west);
    await Promise.all([a.start(), b.start()]);
    a.catalog.publishAll([]);
    await time.advance(10_000);
    assert.deepEqual(codesOf(b), ["CATALOG_CLOCK_SKEW"]);
  }));
