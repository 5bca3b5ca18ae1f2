import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { doorLevels } from "../../../src/gateway/door/door-levels.ts";
import { exportsOf } from "../../../src/gateway/door/exports.ts";
import type { Endpoint } from "../../../src/mesh/service.ts";
import { localityShares } from "../../../src/proxy/levels/level-loads.ts";
import { endpoint, localService, meshService, viewer } from "../../proxy/made.ts";

/** Where connections that enter at a gateway of that zone go, in percent by zone. */
function spread(
  zone: string,
  options: {
    readonly endpoints: readonly Endpoint[];
    readonly zones: readonly (string | undefined)[];
  },
): Readonly<Record<string, number>> {
  const [item] = exportsOf(meshService({ local: localService(options.endpoints) }));
  assert.ok(item !== undefined);
  const [level] = doorLevels(item, { place: viewer, zone, zones: options.zones });
  assert.ok(level !== undefined);
  const shares = localityShares(level).map((share) => Math.round(share * 100));
  return Object.fromEntries(
    level.localities.map((one, index) => [one.zone.split("/")[1], shares[index] ?? 0]),
  );
}

let made = 0;
const carts = (zone: string, count: number, health: Endpoint["health"] = "healthy"): Endpoint[] =>
  Array.from({ length: count }, () => endpoint(++made, { zone, health }));

suite("doorLevels", () => {
  test("spreads by endpoints where gateways name no zones", () => {
    const endpoints = [...carts("a", 3), ...carts("b", 1)];
    assert.deepEqual(spread("", { endpoints, zones: [undefined] }), { a: 75, b: 25 });
  });

  test("keeps in a zone what enters there, when every zone has a gateway", () => {
    const endpoints = [...carts("a", 3), ...carts("b", 1)];
    const zones = ["a", "b"];
    assert.deepEqual(spread("a", { endpoints, zones }), { a: 100, b: 0 });
    assert.deepEqual(spread("b", { endpoints, zones }), { a: 0, b: 100 });
  });

  test("hands on what a zone without a gateway should get", () => {
    const endpoints = [...carts("a", 1), ...carts("b", 1), ...carts("c", 2)];
    const zones = ["a", "b"];
    assert.deepEqual(spread("a", { endpoints, zones }), { a: 50, b: 0, c: 50 });
  });

  test("leaves a zone whose endpoints are all gone", () => {
    const endpoints = [...carts("a", 2, "unhealthy"), ...carts("b", 1), ...carts("c", 1)];
    const { a, b, c } = spread("a", { endpoints, zones: ["a", "b", "c"] });
    assert.deepEqual([a, (b ?? 0) + (c ?? 0)], [0, 100]);
  });

  test("one half dead takes half, and gets half from its callers too", () => {
    const endpoints = [...carts("a", 2), ...carts("a", 2, "unhealthy"), ...carts("b", 2)];
    assert.deepEqual(spread("a", { endpoints, zones: ["a", "b"] }), { a: 100, b: 0 });
  });
});
