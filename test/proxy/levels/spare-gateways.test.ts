import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { levelsFor } from "../../../src/proxy/levels/levels.ts";
import type { PlannedHost, PlannedLevel } from "../../../src/proxy/levels/plan.ts";
import { hostsOf, isHealthy } from "../../../src/proxy/levels/plan.ts";
import { withSpareGateways } from "../../../src/proxy/levels/spare-gateways.ts";
import { endpoint, http, localService, remoteExport, viewer } from "../made.ts";
import { offers, viewers } from "./arbitrary-offers.ts";

/** Which percentage of a level a proxy holds for healthy. Source: Envoy, "Priority levels". */
function healthOf(level: PlannedLevel, seen: { factor: number; without?: PlannedHost }): number {
  const weigh = (hosts: readonly PlannedHost[]): number =>
    hosts.reduce((sum, { weight }) => sum + weight, 0);
  const healthy = hostsOf(level).filter((host) => isHealthy(host) && host !== seen.without);
  return Math.min(100, Math.floor((seen.factor * weigh(healthy)) / weigh(hostsOf(level))));
}

suite("withSpareGateways()", () => {
  test("leaves a level whole when any one gateway of a member with several dies", () => {
    const run = fc.property(offers, viewers, (offer, at) => {
      const { levels, factor } = withSpareGateways(levelsFor(offer, at));
      const isDirect = levels
        .flatMap(hostsOf)
        .some((one) => isHealthy(one) && one.via.t === "direct");
      if (isDirect || factor === 1_000) return;
      for (const level of levels) {
        const isWhole = hostsOf(level).every(isHealthy);
        for (const gateway of sparedIn(level)) {
          if (isWhole) assert.equal(healthOf(level, { factor, without: gateway }), 100);
        }
      }
    });
    fc.assert(run, { numRuns: 1_000 });
  });

  test("takes no part from a level and gives it none", () => {
    const run = fc.property(offers, viewers, (offer, at) => {
      const before = levelsFor(offer, at);
      const { levels, factor } = withSpareGateways(before);
      for (const [index, level] of levels.entries()) {
        const was = before[index];
        assert.ok(was !== undefined);
        // Weights are whole: small ones cannot be scaled to a percent.
        if (
          hostsOf(level)
            .filter(isHealthy)
            .some(({ weight }) => weight < 100)
        )
          continue;
        const now = healthOf(level, { factor });
        const then = healthOf(was, { factor: 140 });
        // One of a hundred is as little as a proxy can count; what is below has been rounded up before.
        const rounding = then < 10 ? factor / 100 : 1;
        assert.ok(Math.abs(now - then) <= rounding, `${now}, not ${then}, at ${factor}`);
      }
    });
    fc.assert(run, { numRuns: 1_000 });
  });

  test("lets workloads that die spill as ever", () => {
    const remotes = [remoteExport("west", { gateways: [gateway(1), gateway(2)] })];
    const local = localService([endpoint(1), endpoint(2)]);
    const levels = levelsFor({ port: http, local, remotes }, viewer);
    assert.deepEqual(withSpareGateways(levels), { levels, factor: 140 });
  });

  test("holds the loss of an only gateway for that of its member", () => {
    const levels = levelsFor({ port: http, remotes: [remoteExport("west")] }, viewer);
    assert.equal(withSpareGateways(levels).factor, 140);
  });
});

const gateway = (number: number) => ({
  address: `203.0.113.${number}`,
  port: 15_443,
  isAlive: true,
});

/** Healthy gateways whose member has others in this level. */
function sparedIn(level: PlannedLevel): readonly PlannedHost[] {
  return level.localities.flatMap(({ hosts }) => {
    const gateways = hosts.filter(({ via }) => via.t === "gateway").filter(isHealthy);
    return gateways.length > 1 ? gateways : [];
  });
}
