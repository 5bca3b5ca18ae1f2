import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { levelsFor } from "../../../src/proxy/levels/levels.ts";
import { hostsOf } from "../../../src/proxy/levels/plan.ts";
import { endpoint, http, localService, remoteExport, viewer } from "../made.ts";

suite("levelsFor()", () => {
  test("puts members beyond the 128th rank into one last level", () => {
    const remotes = Array.from({ length: 200 }, (_, index) => {
      const gateways = [{ address: `10.9.${index}.1`, port: 15_443, isAlive: true }];
      return remoteExport(`m${index}`, { rank: index + 1, gateways });
    });
    const levels = levelsFor({ port: http, remotes }, viewer);
    assert.equal(levels.length, 128);
    assert.equal(levels.flatMap(hostsOf).length, 200);
  });

  test("keeps gateways of a usable member although probes do not reach them", () => {
    const gateways = [{ address: "10.9.0.1", port: 15_443, isAlive: false }];
    const remotes = [remoteExport("west", { gateways }), remoteExport("asia", { rank: 2 })];
    const [nearest] = levelsFor({ port: http, remotes }, viewer);
    assert.deepEqual(
      nearest && hostsOf(nearest).map(({ address, health }) => `${address} ${health}`),
      ["10.9.0.1 healthy"],
    );
  });

  for (const [why, zones, expected] of [
    ["drains", [{ zone: "a", healthy: 0, total: 0, draining: 2 }], "draining"],
    [
      "drains while the rest is ill",
      [{ zone: "a", healthy: 0, total: 1, draining: 2 }],
      "draining",
    ],
    ["is ill", [{ zone: "a", healthy: 0, total: 2 }], "unhealthy"],
    ["serves while some drain", [{ zone: "a", healthy: 1, total: 1, draining: 2 }], "healthy"],
  ] as const) {
    test(`a member whose service ${why} is ${expected}: a drain closes no connection`, () => {
      const remotes = [remoteExport("west", { zones })];
      const [level] = levelsFor({ port: http, remotes }, viewer);
      const gateways =
        level === undefined ? [] : hostsOf(level).filter(({ via }) => via.t === "gateway");
      assert.deepEqual([...new Set(gateways.map(({ health }) => health))], [expected]);
    });
  }

  test("a member that answers again keeps what it carried as a last resort, and gets nothing new", () => {
    const local = localService([endpoint(1)]);
    const away = { isUsable: false, isReturning: true };
    for (const remotes of [
      [remoteExport("west", away)],
      [remoteExport("west", { ...away, network: viewer.network, endpoints: [endpoint(9)] })],
    ]) {
      const levels = levelsFor({ port: http, local, remotes }, viewer);
      const theirs = levels.flatMap(hostsOf).filter(({ address }) => address !== "10.1.0.1");
      assert.deepEqual(
        theirs.filter(({ via }) => via.t !== "placeholder").map(({ health }) => health),
        ["draining"],
      );
    }
  });

  test("a member that answers again is healthy where nobody else is, and dead where it says so", () => {
    const away = { isUsable: false, isReturning: true };
    const alone = levelsFor({ port: http, remotes: [remoteExport("west", away)] }, viewer);
    assert.deepEqual(
      alone.flatMap(hostsOf).map(({ health }) => health),
      ["healthy"],
    );
    const zones = [{ zone: "a", healthy: 0, total: 2 }];
    const ill = [remoteExport("west", { ...away, zones })];
    const levels = levelsFor(
      { port: http, local: localService([endpoint(1)]), remotes: ill },
      viewer,
    );
    const theirs = levels.flatMap(hostsOf).filter(({ via }) => via.t === "gateway");
    assert.deepEqual(
      theirs.map(({ health }) => health),
      ["unhealthy"],
    );
  });

  test("says nothing of a member without gateways", () => {
    assert.deepEqual(
      levelsFor({ port: http, remotes: [remoteExport("west", { gateways: [] })] }, viewer),
      [],
    );
  });
});
