import assert from "node:assert/strict";
import { test } from "node:test";
import type { OwnShard } from "../../../src/discovery/publish/own-shard.ts";
import { createOwnShard } from "../../../src/discovery/publish/own-shard.ts";
import type { RawRecords } from "../../../src/discovery/shards/store.ts";
import { parseServiceId, trustDomainOf } from "../../../src/mesh/ids.ts";
import type { Health, LocalService } from "../../../src/mesh/service.ts";
import { east, endpointOf, mesh, serviceOf } from "../support/made.ts";

const trustDomain = trustDomainOf(east, mesh);
const minute = 60_000;

function shardWith(services: readonly LocalService[] = [], base?: RawRecords): OwnShard {
  const shard = createOwnShard({
    exportOptions: () => ({ trustDomain, isNetworkShared: false }),
    ...(base === undefined ? {} : { base }),
  });
  shard.stageAll(services, 0);
  return shard;
}

function cart(...healths: Health[]): LocalService {
  return serviceOf("shop/cart", { healths });
}

function many(count: number): readonly LocalService[] {
  return Array.from({ length: count }, (_, index) => serviceOf(`shop/s-${index}`));
}

function keysOf(shard: OwnShard): readonly string[] {
  return [...shard.content.entries()].map(([key]) => key).toSorted();
}

function upsert(service: LocalService): { upserts: readonly LocalService[]; removed: [] } {
  return { upserts: [service], removed: [] };
}

test("a new export goes out at once, and then there is nothing to send", () => {
  const shard = shardWith([cart("healthy")]);
  assert.equal(shard.nextDueMs(), 0);
  assert.deepEqual([...(shard.takeBatch(0)?.changed.keys() ?? [])], ["service/shop/cart"]);
  assert.equal(shard.nextDueMs(), undefined);
  assert.equal(shard.takeBatch(1), undefined);
});

test("what is said twice is published once", () => {
  const shard = shardWith([cart("healthy")]);
  shard.takeBatch(0);
  shard.stage(upsert(cart("healthy")), 5);
  assert.equal(shard.takeBatch(5), undefined);
});

test("weight-only changes after a quiet second go at once, further ones once a second", () => {
  const shard = shardWith([cart("healthy", "healthy", "healthy")]);
  shard.takeBatch(0);
  shard.stage(upsert(cart("healthy", "healthy", "unhealthy")), 2000);
  assert.ok(shard.takeBatch(2000));
  shard.stage(upsert(cart("healthy", "unhealthy", "unhealthy")), 2300);
  assert.equal(shard.takeBatch(2300), undefined);
  assert.equal(shard.nextDueMs(), 3000);
  shard.stage(upsert(cart("healthy", "healthy", "unhealthy")), 2500);
  assert.equal(shard.nextDueMs(), undefined, "back to what is published: nothing to send");
  shard.stage(upsert(cart("healthy", "unhealthy", "unhealthy")), 2600);
  assert.ok(shard.takeBatch(3000));
});

const urgent: readonly (readonly [string, LocalService])[] = [
  ["loses its last healthy workload of a zone", cart("unhealthy", "unhealthy")],
  [
    "gains its first healthy workload of a zone",
    {
      ...cart("healthy", "healthy"),
      endpoints: [...cart("healthy", "healthy").endpoints, endpointOf(9, { zone: "b" })],
    },
  ],
  [
    "changes a port",
    { ...cart("healthy", "healthy"), ports: [{ name: "http", port: 81, protocol: "TCP" }] },
  ],
  [
    "gets another identity",
    {
      ...cart("healthy", "healthy"),
      endpoints: [endpointOf(1, { serviceAccount: "x" }), endpointOf(2)],
    },
  ],
];
for (const [what, service] of urgent) {
  test(`a service that ${what} never waits`, () => {
    const shard = shardWith([cart("healthy", "healthy")]);
    shard.takeBatch(0);
    shard.stage(upsert(service), 10);
    assert.ok(shard.takeBatch(10));
  });
}

test("an urgent change takes along what waited for that service", () => {
  const shard = shardWith([cart("healthy", "healthy", "healthy")]);
  shard.takeBatch(0);
  shard.stage(upsert(cart("healthy", "healthy", "unhealthy")), 100);
  assert.equal(shard.takeBatch(100), undefined);
  shard.stage(upsert(cart("unhealthy", "unhealthy", "unhealthy")), 200);
  assert.ok(shard.takeBatch(200));
  assert.equal(shard.nextDueMs(), undefined);
});

test("an endpoint that others dial never waits when it can no longer serve", () => {
  const shard = createOwnShard({ exportOptions: () => ({ trustDomain, isNetworkShared: true }) });
  shard.stageAll([cart("healthy", "healthy")], 0);
  shard.takeBatch(0);
  shard.stage(upsert(cart("healthy", "unhealthy")), 10);
  assert.deepEqual([...(shard.takeBatch(10)?.changed.keys() ?? [])].toSorted(), [
    "endpoints/shop/cart/0",
    "service/shop/cart",
  ]);
});

test("one withdrawn export goes at once, with all its records", () => {
  const shard = createOwnShard({ exportOptions: () => ({ trustDomain, isNetworkShared: true }) });
  shard.stageAll([cart("healthy"), serviceOf("shop/other")], 0);
  shard.takeBatch(0);
  shard.stage({ upserts: [], removed: [parseServiceId("shop/cart")] }, 10);
  assert.deepEqual(shard.takeBatch(10)?.removed.toSorted(), [
    "endpoints/shop/cart/0",
    "service/shop/cart",
  ]);
});

test("the only export may be withdrawn at once", () => {
  const shard = shardWith([cart("healthy")]);
  shard.takeBatch(0);
  const { exported: _, ...local } = cart("healthy");
  shard.stage(upsert(local), 10);
  assert.deepEqual(shard.takeBatch(10)?.removed, ["service/shop/cart"]);
});

test("when more than half of the exports vanish at once all of them are held", () => {
  const shard = shardWith(many(10));
  shard.takeBatch(0);
  shard.stage({ upserts: [], removed: many(10).map((one) => one.id) }, 10);
  assert.equal(shard.takeBatch(10), undefined);
  assert.equal(keysOf(shard).length, 10);
  assert.equal(shard.held().length, 10);
  assert.equal(shard.takeBatch(9 * minute), undefined);
});

test("exports that vanish one after the other within a minute count as one event", () => {
  const shard = shardWith(many(10));
  shard.takeBatch(0);
  for (const [index, service] of many(10).entries()) {
    shard.stage({ upserts: [], removed: [service.id] }, index * 1000);
    shard.takeBatch(index * 1000);
  }
  assert.equal(shard.held().length, 5);
});

test("exports that vanish slowly are not held", () => {
  const shard = shardWith(many(10));
  shard.takeBatch(0);
  for (const [index, service] of many(8).entries()) {
    shard.stage({ upserts: [], removed: [service.id] }, index * 2 * minute);
    shard.takeBatch(index * 2 * minute);
  }
  assert.deepEqual(shard.held(), []);
  assert.equal(keysOf(shard).length, 2);
});

test("a held withdrawal is carried out after ten minutes", () => {
  const shard = shardWith(many(4));
  shard.takeBatch(0);
  shard.stage({ upserts: [], removed: many(4).map((one) => one.id) }, 10);
  assert.equal(shard.takeBatch(10), undefined);
  assert.equal(shard.nextDueMs(), 10 * minute + 10);
  shard.takeBatch(10 * minute + 10);
  assert.deepEqual(keysOf(shard), []);
});

test("a held withdrawal is carried out when an operator confirms it", () => {
  const shard = shardWith(many(4));
  shard.takeBatch(0);
  shard.stage({ upserts: [], removed: many(4).map((one) => one.id) }, 10);
  shard.takeBatch(10);
  shard.confirmWithdrawals(20);
  shard.takeBatch(20);
  assert.deepEqual(keysOf(shard), []);
});

test("a held export that comes back is held no more and goes on as if nothing was", () => {
  const shard = shardWith(many(4));
  shard.takeBatch(0);
  shard.stage({ upserts: [], removed: many(4).map((one) => one.id) }, 10);
  shard.takeBatch(10);
  shard.stage({ upserts: many(4), removed: [] }, 20);
  shard.takeBatch(20);
  assert.deepEqual(shard.held(), []);
  shard.takeBatch(11 * minute);
  assert.equal(keysOf(shard).length, 4);
});

test("a restarted agent withdraws from its earlier life by the same rules", () => {
  const earlier = shardWith(many(10));
  earlier.takeBatch(0);
  const shard = shardWith(many(2), new Map(earlier.content.entries()));
  shard.takeBatch(0);
  assert.equal(shard.held().length, 8);
  assert.equal(keysOf(shard).length, 10);
});

test("a restarted agent with the same exports has nothing to change", () => {
  const earlier = shardWith(many(3));
  earlier.takeBatch(0);
  const shard = shardWith(many(3), new Map(earlier.content.entries()));
  assert.equal(shard.takeBatch(0), undefined);
  assert.equal(shard.content.digest(), earlier.content.digest());
});

test("an earlier life's records that belong to no export are left out", () => {
  const base = new Map([
    ["endpoints/shop/lost/0", Buffer.from("{}")],
    ["service/shop/junk", Buffer.from("junk")],
  ]);
  assert.deepEqual(keysOf(shardWith([], base)), []);
});

test("the member's own record goes out at once and only when it changed", () => {
  const shard = shardWith();
  const record = { t: "member", software: "1", schemas: { min: 1, max: 1 }, gateways: [] } as const;
  shard.stageMember(record, 5);
  assert.deepEqual([...(shard.takeBatch(5)?.changed.keys() ?? [])], ["member"]);
  shard.stageMember(record, 6);
  assert.equal(shard.takeBatch(6), undefined);
});

test("a service without any workload keeps its identities, so that callers accept who comes back", () => {
  const shard = shardWith([cart("healthy")]);
  shard.takeBatch(0);
  shard.stage(upsert(serviceOf("shop/cart", { endpoints: [] })), 10);
  const [bytes] = shard.takeBatch(10)?.changed.values() ?? [];
  const record = JSON.parse(Buffer.from(bytes ?? []).toString()) as Record<string, unknown>;
  assert.deepEqual(record["identities"], ["spiffe://east.acme.mesh/ns/shop/sa/cart"]);
  assert.deepEqual(record["zones"], []);
});
