import assert from "node:assert/strict";
import type { MemberStatus } from "../../../src/discovery/follow/shard-set.ts";
import { exportOf } from "../../../src/discovery/publish/export-records.ts";
import { parseServiceId, trustDomainOf } from "../../../src/mesh/ids.ts";
import { mesh } from "../support/made.ts";
import type { Site, World } from "./world.ts";
import { createWorld, leaseMs, serviceWith } from "./world.ts";

/** One schedule of one world; throws when an invariant broke. The same seed does the same. */
export async function runSchedule(seed: number): Promise<void> {
  const world = createWorld(seed, {
    members: 2 + (seed % 3 === 0 ? 1 : 0),
    hubs: 1 + (seed % 2),
    isFirstDoubled: seed % 4 === 0,
  });
  const { chance, time } = world;
  for (const site of world.sites) world.start(site, { withDisk: chance.happens(0.7) });
  const steps = 10 + chance.below(25);
  let isSpoilt = false;
  for (let step = 0; step < steps; step += 1) {
    isSpoilt = (await disturb(world)) || isSpoilt;
    await time.advance(chance.next() * (chance.happens(0.1) ? 2 * leaseMs : 600));
    assert.deepEqual(world.failures, []);
  }
  world.heal();
  await time.advance(2 * leaseMs);
  // Writes of a killed agent that were under way made it look alive: a supervisor starts it again.
  world.heal();
  // Claims wait for a lease, spoilt records for the owner's next look at them.
  await time.advance((isSpoilt ? 12 : 5) * leaseMs);
  assert.deepEqual(world.failures, []);
  for (const reader of world.sites) assertInStep(world, reader);
  await world.close();
}

/** Does one thing to the world; true when records were spoilt where they lie. */
async function disturb(world: World): Promise<boolean> {
  const { chance } = world;
  const site = chance.pick(world.sites);
  const hub = chance.pick(world.hubs);
  switch (chance.below(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
      changeSomething(world, site);
      return false;
    case 4:
      Object.assign(hub.weather, {
        maxDelayMs: chance.pick([5, 50, 400, 1500]),
        lossRatio: chance.pick([0, 0.1, 0.5]),
      });
      return false;
    case 5:
      hub.weather.lieRatio = chance.pick([0, 0.2, 0.8]);
      return false;
    case 6:
      if (site.life !== undefined) hub.cutOff.add(site.life.name);
      return false;
    case 7:
      if (site.life !== undefined) hub.cutOff.delete(site.life.name);
      return false;
    case 8:
      world.kill(site);
      return false;
    case 9:
      if (site.life === undefined) world.start(site, { withDisk: chance.happens(0.7) });
      return false;
    case 10:
      // A hub that forgets a take-over within a lease of it, while the new writer dies, leaves readers
      // with an epoch that nobody else can know of: until the old writer's next life they wait.
      if (world.sites.some((one) => one.isReplica)) return false;
      if (chance.happens(0.3)) hub.wipe();
      else hub.rollBack(1 + chance.below(6));
      return false;
    default:
      await hub.spoil(site.member);
      return true;
  }
}

function changeSomething(world: World, site: Site): void {
  const { chance } = world;
  const id = `shop/s-${chance.below(5)}`;
  if (chance.happens(0.2)) world.publish(site, { removed: parseServiceId(id) });
  else world.publish(site, { upsert: serviceWith(chance, id) });
}

/** Every reader holds what every owner's sources say, save what is held back as a mass withdrawal. */
function assertInStep(world: World, reader: Site): void {
  const { life } = reader;
  assert.ok(life !== undefined || isDoubled(world, reader), `${reader.member} does not run`);
  if (life === undefined) return;
  for (const owner of world.sites) {
    if (owner.member === reader.member || owner.isReplica) continue;
    const status: MemberStatus | undefined = life.catalog
      .memberStatus()
      .find((one) => one.member === owner.member);
    const content = life.catalog.shard(owner.member);
    const about: string = `${life.name} on ${owner.member}: ${JSON.stringify(status)}; its writer ${JSON.stringify(agentsOf(world, owner).map((one) => one.catalog.writerStatus()))}`;
    assert.equal(status?.lease, "live", about);
    for (const service of owner.services.values()) {
      const trustDomain = trustDomainOf(owner.member, mesh);
      const expected = exportOf(service, { trustDomain, isNetworkShared: false })?.record;
      const held = content?.service(service.id);
      // A service without workloads keeps the identities it had, and those depend on its past.
      assert.deepEqual({ ...held, identities: [] }, { ...expected, identities: [] }, about);
    }
    const extra = [...(content?.services() ?? [])].filter((id) => !owner.services.has(id));
    const findings = agentsOf(world, owner).flatMap((one) => one.catalog.findings());
    const isHeld = findings.some((finding) => finding.code === "CATALOG_WITHDRAWAL_HELD");
    assert.ok(extra.length === 0 || isHeld, `${about}: ${extra.join()} should be gone`);
  }
}

function agentsOf(world: World, site: Site): readonly NonNullable<Site["life"]>[] {
  return world.sites.flatMap((one) => (one.member === site.member ? (one.life ?? []) : []));
}

function isDoubled(world: World, site: Site): boolean {
  return world.sites.filter((one) => one.member === site.member).length > 1;
}
