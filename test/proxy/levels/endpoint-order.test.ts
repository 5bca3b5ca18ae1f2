import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { endpointOrder } from "../../../src/proxy/levels/endpoint-order.ts";
import { levelLoads, localityShares } from "../../../src/proxy/levels/level-loads.ts";
import { levelsFor } from "../../../src/proxy/levels/levels.ts";
import { endpoint, http, localService, meshService, remoteExport, viewer } from "../made.ts";

const shown = (service: ReturnType<typeof meshService>): string[] =>
  endpointOrder(service, viewer)
    .filter((line) => line.target.suffix === "svc.cluster.local")
    .map((line) => {
      const share = Math.round(line.share * 100);
      return `${line.priority} ${line.zone} ${line.address} ${line.via} ${share}% ${line.why}`;
    });

suite("endpointOrder()", () => {
  test("lists own zone, own member, other regions, with the reason", () => {
    const local = localService([
      endpoint(2, { zone: "b" }),
      endpoint(1),
      endpoint(3, { sidecars: {} }),
    ]);
    const remotes = [remoteExport("asia2", { rank: 2 }), remoteExport("west")];
    assert.deepEqual(shown(meshService({ local, remotes })), [
      "0 east/a 10.1.0.1 sidecar 33% own zone",
      "0 east/a 10.1.0.3 plaintext 33% own zone",
      "0 east/b 10.1.0.2 sidecar 33% own member, other zone",
      "1 west/gateway 203.0.113.4 gateway 0% other region region-of-west, nearness 1",
      "2 asia2/gateway 203.0.113.5 gateway 0% other region region-of-asia2, nearness 2",
    ]);
  });

  test("says how much spills where a member is partly down", () => {
    const west = remoteExport("west", { zones: [{ zone: "1", healthy: 1, total: 4 }] });
    assert.deepEqual(shown(meshService({ remotes: [west, remoteExport("asia2", { rank: 2 })] })), [
      "0 west/gateway 203.0.113.4 gateway 35% other region region-of-west, nearness 1",
      "0 west/unhealthy 127.255.0.2 placeholder 0% other region region-of-west, nearness 1, stands for the unhealthy part of its member",
      "1 asia2/gateway 203.0.113.5 gateway 65% other region region-of-asia2, nearness 2",
    ]);
  });

  test("explains who is held for dead, and who is kept although", () => {
    const west = remoteExport("west", { isUsable: false });
    const local = localService([endpoint(1)]);
    const why = (service: ReturnType<typeof meshService>): string | undefined =>
      shown(service).at(-1);
    assert.match(why(meshService({ local, remotes: [west] })) ?? "", /held for dead$/);
    assert.match(
      why(meshService({ remotes: [west] })) ?? "",
      /held for dead, but nobody else is left$/,
    );
  });
});

suite("levelLoads()", () => {
  test("fills a level from 72 % on and spills below", () => {
    const loads = (healthy: number): number[] => {
      const zones = [{ zone: "1", healthy, total: 100 }];
      const remotes = [remoteExport("west", { zones }), remoteExport("asia2", { rank: 2 })];
      return levelLoads(levelsFor({ port: http, remotes }, viewer));
    };
    assert.deepEqual(loads(100), [100, 0]);
    assert.deepEqual(loads(72), [100, 0]);
    assert.deepEqual(loads(50), [70, 30]);
    assert.deepEqual(loads(1), [1, 99]);
    assert.deepEqual(loads(0), [0, 100]);
  });
  test("is all zero when nobody is healthy", () => {
    const remotes = [remoteExport("west", { zones: [{ zone: "1", healthy: 0, total: 3 }] })];
    assert.deepEqual(levelLoads(levelsFor({ port: http, remotes }, viewer)), [0]);
  });
});

suite("localityShares()", () => {
  test("gives zones their share although one of them is partly down", () => {
    const local = localService([
      endpoint(1),
      endpoint(2, { health: "unhealthy" }),
      endpoint(3, { health: "unhealthy" }),
      endpoint(4, { zone: "b" }),
    ]);
    const [level] = levelsFor({ port: http, local, remotes: [] }, { ...viewer, zone: "c" });
    assert.ok(level);
    assert.deepEqual(
      localityShares(level).map((share) => Math.round(share * 100)),
      [50, 50],
    );
  });
});
