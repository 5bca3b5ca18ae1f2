import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { CatalogEvent } from "../../../src/discovery/follow/catalog-event.ts";
import type { ShardSet } from "../../../src/discovery/follow/shard-set.ts";
import { createShardSet } from "../../../src/discovery/follow/shard-set.ts";
import { exportOf } from "../../../src/discovery/publish/export-records.ts";
import { parseServiceId, trustDomainOf } from "../../../src/mesh/ids.ts";
import type { FakeTrust } from "../support/fake-trust.ts";
import { anyClaim, createFakeTrust } from "../support/fake-trust.ts";
import { charterOf, east, mesh, serviceOf, silentLog, west } from "../support/made.ts";
import { createHandWriter } from "../support/writer.ts";

const nowMs = 1_790_000_000_000;
const at = { nowMs, monotonicMs: 5000 };
const cart = parseServiceId("shop/cart");
const charter = charterOf([east, west]);
const newRoots = { ...charter, number: charter.number + 1, bundle: ["another root"] };
let trust: FakeTrust;
let shards: ShardSet;
let events: CatalogEvent["t"][];

beforeEach(async () => {
  trust = createFakeTrust(mesh);
  events = [];
  shards = createShardSet({
    self: west,
    charter,
    verify: trust.verify,
    checkClaim: anyClaim,
    log: silentLog,
    onEvent: ({ t }) => events.push(t),
  });
  const options = { trustDomain: trustDomainOf(east, mesh), isNetworkShared: true };
  const records = new Map(
    exportOf(serviceOf("shop/cart", { healths: ["healthy"] }), options)?.encoded,
  );
  const snapshot = await createHandWriter(east, { trust, nowMs }).snapshot(records);
  shards.take(east, { t: "snapshot", snapshot }, at);
  events = [];
});

test("setCharter() forgets a shard that was signed under a root that is gone", () => {
  trust.deny(east);
  shards.setCharter(newRoots, at);
  assert.deepEqual(events, ["gone"]);
  assert.equal(shards.get(east)?.content.service(cart), undefined);
});

test("setCharter() leaves a shard alone that the new roots vouch for too", () => {
  shards.setCharter(newRoots, at);
  assert.deepEqual(events, []);
  assert.ok(shards.get(east)?.content.service(cart));
});
