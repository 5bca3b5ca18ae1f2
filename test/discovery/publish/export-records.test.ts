import assert from "node:assert/strict";
import { test } from "node:test";
import { exportOf, zoneCountsOf } from "../../../src/discovery/publish/export-records.ts";
import { parseRecord } from "../../../src/discovery/shards/records.ts";
import { trustDomainOf } from "../../../src/mesh/ids.ts";
import type { Endpoint, LocalService } from "../../../src/mesh/service.ts";
import { east, endpointOf, mesh, serviceOf } from "../support/made.ts";

const trustDomain = trustDomainOf(east, mesh);
const alone = { trustDomain, isNetworkShared: false };
const shared = { trustDomain, isNetworkShared: true };

function slicesOf(service: LocalService): readonly (readonly Endpoint[])[] {
  return [...(exportOf(service, shared)?.encoded ?? [])].flatMap(([key, bytes]) => {
    const parsed = parseRecord(key, bytes);
    return parsed.t === "ok" && parsed.record.t === "endpoints" ? [parsed.record.endpoints] : [];
  });
}

test("a service that is not exported has no records", () => {
  const { exported: _, ...local } = serviceOf("shop/cart");
  assert.equal(exportOf(local, alone), undefined);
});

test("between networks an export is one record, however many workloads it has", () => {
  const service = serviceOf("shop/cart", {
    endpoints: Array.from({ length: 500 }, (_, i) => endpointOf(i)),
  });
  assert.deepEqual([...(exportOf(service, alone)?.encoded.keys() ?? [])], ["service/shop/cart"]);
});

test("zoneCountsOf() counts what a gateway would forward to, and what drains apart", () => {
  const { sidecars: _, ...plain } = endpointOf(1);
  assert.deepEqual(
    zoneCountsOf([
      plain,
      endpointOf(2),
      endpointOf(3, { health: "unhealthy" }),
      endpointOf(4, { health: "draining" }),
      endpointOf(5, { zone: "b", health: "draining" }),
    ]),
    [
      { zone: "a", healthy: 1, total: 2, draining: 1 },
      { zone: "b", healthy: 0, total: 0, draining: 1 },
    ],
  );
});

test("identities are those of all workloads, once each, in the member's own trust domain", () => {
  const service = serviceOf("shop/cart", {
    endpoints: [
      endpointOf(1, { serviceAccount: "b" }),
      endpointOf(2, { serviceAccount: "a", health: "unhealthy" }),
      endpointOf(3, { serviceAccount: "b" }),
    ],
  });
  assert.deepEqual(exportOf(service, alone)?.record.identities, [
    "spiffe://east.acme.mesh/ns/shop/sa/a",
    "spiffe://east.acme.mesh/ns/shop/sa/b",
  ]);
});

test("on a shared network workloads with a proven sidecar are listed in slices of at most 100", () => {
  const { sidecars: _, ...plain } = endpointOf(999);
  const listed = Array.from({ length: 250 }, (_, index) => endpointOf(index));
  const slices = slicesOf(serviceOf("shop/cart", { endpoints: [...listed, plain] }));
  assert.ok(slices.every((slice) => slice.length <= 100));
  const workloads = slices.flat().map((endpoint) => endpoint.workload);
  assert.deepEqual(workloads.toSorted(), listed.map((endpoint) => endpoint.workload).toSorted());
});

test("a workload that comes or goes changes one slice", () => {
  const all = Array.from({ length: 250 }, (_, index) => endpointOf(index));
  const before = exportOf(serviceOf("shop/cart", { endpoints: all }), shared)?.encoded ?? new Map();
  const after =
    exportOf(serviceOf("shop/cart", { endpoints: all.slice(1) }), shared)?.encoded ?? new Map();
  const differing = [...before].filter(
    ([key, bytes]) => Buffer.compare(bytes, after.get(key) ?? Buffer.alloc(0)) !== 0,
  );
  assert.equal(differing.filter(([key]) => key.startsWith("endpoints/")).length, 1);
});

test("the same workload stated twice is listed once", () => {
  const service = serviceOf("shop/cart", { endpoints: Array(200).fill(endpointOf(1)) });
  assert.equal(slicesOf(service).flat().length, 1);
});

test("a headless export lists its workloads on every network", () => {
  const service = serviceOf("shop/db", { type: "Headless" });
  assert.deepEqual(
    [...(exportOf(service, alone)?.encoded.keys() ?? [])],
    ["service/shop/db", "endpoints/shop/db/0"],
  );
});
