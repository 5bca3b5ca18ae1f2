import assert from "node:assert/strict";
import { test } from "node:test";
import type { CatalogEvent } from "../../../src/discovery/catalog-event.ts";
import type { Catalog, CatalogOptions } from "../../../src/discovery/io/catalog-client.ts";
import { createCatalog } from "../../../src/discovery/io/catalog-client.ts";
import type { MemberName } from "../../../src/mesh/ids.ts";
import { parseServiceId } from "../../../src/mesh/ids.ts";
import type { Sign } from "../../../src/mesh/ports.ts";
import type { LocalService } from "../../../src/mesh/service.ts";
import { createChance } from "../simulation/chance.ts";
import type { FaultyHub } from "../simulation/faulty-hub.ts";
import { createFaultyHub } from "../simulation/faulty-hub.ts";
import { createOracle } from "../simulation/oracle.ts";
import type { FakeTrust } from "../support/fake-trust.ts";
import { anyClaim, createFakeTrust } from "../support/fake-trust.ts";
import {
  charterOf,
  east,
  mesh,
  serviceOf,
  signedCharterOf,
  silentLog,
  south,
  west,
} from "../support/made.ts";
import { createMemoryDisk } from "../support/memory-disk.ts";
import type { VirtualTime } from "../support/virtual-time.ts";
import { createVirtualTime } from "../support/virtual-time.ts";

const cart = parseServiceId("shop/cart");
const never = new AbortController().signal;
const leaseMs = 10_000;
const renewMs = leaseMs / 3.3;

interface World {
  readonly time: VirtualTime;
  readonly trust: FakeTrust;
  readonly hubs: readonly [FaultyHub, FaultyHub];
  /** An agent on the first hub unless told otherwise; not started. */
  readonly agent: (member: MemberName, change?: AgentChange) => Agent;
  /** Two agents that run and see each other. */
  readonly pair: () => Promise<readonly [Agent, Agent]>;
}

interface AgentChange extends Partial<Omit<CatalogOptions, "stores">> {
  readonly hubs?: readonly FaultyHub[];
}

interface Agent {
  readonly name: string;
  readonly catalog: Catalog;
  readonly events: CatalogEvent[];
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

async function inWorld(run: (world: World) => Promise<void>): Promise<void> {
  const time = createVirtualTime();
  const trust = createFakeTrust(mesh);
  const hubOptions = { timers: time.timers, chance: createChance(1), oracle: createOracle() };
  const hubs = [
    createFaultyHub({ name: "hub-1", ...hubOptions }),
    createFaultyHub({ name: "hub-2", ...hubOptions }),
  ] as const;
  const running = new Map<string, Catalog>();
  const agent = (member: MemberName, change: AgentChange = {}): Agent => {
    const events: CatalogEvent[] = [];
    const name = `${member}#${running.size}`;
    const { hubs: own = [hubs[0]], ...rest } = change;
    const charter = charterOf([east, west]);
    const catalog = createCatalog({
      member,
      charter,
      signedCharter: signedCharterOf(charter),
      stores: own.map((hub) => hub.connect(name)),
      sign: trust.signFor(member),
      verify: trust.verify,
      checkClaim: anyClaim,
      clock: time.clock,
      timers: time.timers,
      random: () => 0.5,
      log: silentLog,
      software: "0.1.0",
      leaseMs,
      onEvent: (event) => void events.push(event),
      ...rest,
    });
    running.set(name, catalog);
    return {
      name,
      catalog,
      events,
      start: async () => time.until(catalog.start(never)),
      stop: async () => {
        running.delete(name);
        await time.until(catalog[Symbol.asyncDispose]());
      },
    };
  };
  const pair = async (): Promise<readonly [Agent, Agent]> => {
    const agents = [agent(east), agent(west)] as const;
    for (const one of agents) {
      await one.start();
      one.catalog.publishAll([serviceOf("shop/cart")]);
    }
    await time.advance(100);
    return agents;
  };
  try {
    await run({ time, trust, hubs, agent, pair });
  } finally {
    const all = [...running.values()].map((one) => one[Symbol.asyncDispose]());
    await time.until(Promise.all(all));
  }
}

function healthyAt(agent: Agent, member: MemberName): number | undefined {
  return agent.catalog.shard(member)?.service(cart)?.zones[0]?.healthy;
}

function change(agent: Agent, service: LocalService): void {
  agent.catalog.publish({ upserts: [service], removed: [] });
}

function leasesOf(agent: Agent): readonly string[] {
  return agent.events.flatMap((event) => (event.t === "lease" ? [event.lease] : []));
}

function codesOf(agent: Agent): readonly string[] {
  return agent.catalog.findings().map((finding) => finding.code);
}

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
