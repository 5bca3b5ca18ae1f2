import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { dependsOnCallers } from "../../../src/proxy/levels/callers.ts";
import { levelLoads } from "../../../src/proxy/levels/level-loads.ts";
import { levelsFor } from "../../../src/proxy/levels/levels.ts";
import type { PlannedLevel } from "../../../src/proxy/levels/plan.ts";
import { addressKey, hostsOf, isHealthy } from "../../../src/proxy/levels/plan.ts";
import { offers, viewers } from "./arbitrary-offers.ts";

function always(title: string, holds: (levels: readonly PlannedLevel[]) => void): void {
  test(`levelsFor() ${title}`, () => {
    const run = fc.property(offers, viewers, (offer, viewer) => holds(levelsFor(offer, viewer)));
    fc.assert(run, { numRuns: 1_000 });
  });
}

const sum = (items: readonly { readonly weight: number }[]): number =>
  items.reduce((total, { weight }) => total + weight, 0);

always("names no address twice", (levels) => {
  const keys = levels.flatMap(hostsOf).map(addressKey);
  assert.equal(new Set(keys).size, keys.length);
});

always("leaves no level and no locality empty", (levels) => {
  for (const level of levels) {
    assert.ok(level.localities.length > 0);
    assert.ok(level.localities.every((locality) => locality.hosts.length > 0));
  }
});

always("names no locality twice within a level", (levels) => {
  for (const level of levels) {
    const zones = level.localities.map(({ region, zone }) => `${region} ${zone}`);
    assert.equal(new Set(zones).size, zones.length);
  }
});

always("orders levels own member, same region, other regions by rank", (levels) => {
  const order = { "own-member": 0, "same-region": 1, "other-region": 2 };
  const keys = levels.map(({ level, rank }) => order[level] * 1_000 + rank);
  assert.deepEqual(
    keys,
    [...new Set(keys)].sort((a, b) => a - b),
  );
});

always("gives whole, positive weights whose sums fit 32 bits", (levels) => {
  for (const level of levels) {
    const hosts = hostsOf(level);
    for (const { weight } of [...hosts, ...level.localities]) {
      assert.ok(Number.isInteger(weight) && weight >= 1, `weight ${weight}`);
    }
    assert.ok(sum(hosts) <= 0xffff_ffff);
    assert.ok(sum(level.localities) <= 0xffff_ffff);
  }
});

always("keeps at most 99 unhealthy for each healthy, in weight and in number", (levels) => {
  for (const level of levels) {
    const healthy = hostsOf(level).filter(isHealthy);
    const others = hostsOf(level).filter((host) => !isHealthy(host));
    if (healthy.length === 0) continue;
    assert.ok(others.length <= 99 * healthy.length);
    assert.ok(sum(others) <= 99 * sum(healthy));
  }
});

always("has a placeholder only where its member has a healthy gateway", (levels) => {
  for (const level of levels) {
    for (const { member, hosts } of level.localities) {
      if (!hosts.some((host) => host.via.t === "placeholder")) continue;
      const siblings = level.localities.filter((one) => one.member === member);
      assert.ok(siblings.flatMap((one) => [...one.hosts]).some(isHealthy));
    }
  }
});

always("leaves traffic somewhere to go while anybody is healthy", (levels) => {
  const isAnyHealthy = levels.flatMap(hostsOf).some(isHealthy);
  const total = levelLoads(levels).reduce((all, load) => all + load, 0);
  assert.equal(total, isAnyHealthy ? 100 : 0);
});

test("levelsFor() takes nobody's last endpoints by inference", () => {
  const run = fc.property(offers, viewers, (offer, viewer) => {
    const dead = offer.remotes.map((remote) => ({ ...remote, isUsable: false }));
    const before = levelsFor(
      { ...offer, remotes: offer.remotes.map((one) => ({ ...one, isUsable: true })) },
      viewer,
    );
    const after = levelsFor({ ...offer, remotes: dead }, viewer);
    const isServed = (levels: readonly PlannedLevel[]): boolean =>
      levels.flatMap(hostsOf).some(isHealthy);
    assert.equal(isServed(after), isServed(before));
  });
  fc.assert(run, { numRuns: 1_000 });
});

test("levelsFor() does not depend on the order in which members are known", () => {
  const run = fc.property(offers, viewers, (offer, viewer) => {
    const reversed = { ...offer, remotes: [...offer.remotes].reverse() };
    assert.deepEqual(levelsFor(reversed, viewer), levelsFor(offer, viewer));
  });
  fc.assert(run, { numRuns: 500 });
});

test("levelsFor() heeds where callers stand only where dependsOnCallers() says so", () => {
  const run = fc.property(offers, viewers, viewers, (offer, viewer, { callers = new Map() }) => {
    fc.pre(!dependsOnCallers(offer.local));
    assert.deepEqual(levelsFor(offer, { ...viewer, callers }), levelsFor(offer, viewer));
  });
  fc.assert(run, { numRuns: 1_000 });
});
