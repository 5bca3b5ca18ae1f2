import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { RemoteShard, ShardOutcome } from "../../../src/discovery/follow/remote-shard.ts";
import { createRemoteShard } from "../../../src/discovery/follow/remote-shard.ts";
import { exportOf } from "../../../src/discovery/publish/export-records.ts";
import { serviceKey } from "../../../src/discovery/shards/record-key.ts";
import type { RawRecords, ShardSnapshot } from "../../../src/discovery/shards/store.ts";
import type { CheckClaim } from "../../../src/mesh/claim.ts";
import { parseServiceId, trustDomainOf } from "../../../src/mesh/ids.ts";
import type { Health } from "../../../src/mesh/service.ts";
import type { FakeTrust } from "../support/fake-trust.ts";
import { anyClaim, createFakeTrust } from "../support/fake-trust.ts";
import { east, endpointOf, mesh, serviceOf, west } from "../support/made.ts";
import type { HandWriter } from "../support/writer.ts";
import { createHandWriter } from "../support/writer.ts";

const nowMs = 1_790_000_000_000;
const day = 86_400_000;
const at = { nowMs, monotonicMs: 5000 };
const cart = parseServiceId("shop/cart");
let trust: FakeTrust;
let writer: HandWriter;
let shard: RemoteShard;

beforeEach(() => {
  trust = createFakeTrust(mesh);
  writer = createHandWriter(east, { trust, nowMs });
  shard = shardOf(anyClaim);
});

function shardOf(checkClaim: CheckClaim): RemoteShard {
  return createRemoteShard({ mesh, member: east, verify: trust.verify, checkClaim });
}

function recordsOf(healths: Readonly<Record<string, readonly Health[]>>): RawRecords {
  const trustDomain = trustDomainOf(east, mesh);
  return new Map(
    Object.entries(healths).flatMap(([id, states]) => [
      ...(exportOf(serviceOf(id, { healths: states }), { trustDomain, isNetworkShared: true })
        ?.encoded ?? []),
    ]),
  );
}

const one = recordsOf({ "shop/cart": ["healthy"] });
const two = recordsOf({ "shop/cart": ["healthy", "healthy"], "shop/extra": ["healthy"] });

function takeSnapshot(snapshot: Omit<ShardSnapshot, "cursor">, time = at): ShardOutcome {
  return shard.take({ t: "snapshot", snapshot }, time);
}

function healthy(): number | undefined {
  return shard.content.service(cart)?.zones[0]?.healthy;
}

test("a snapshot that fits its head is taken, and says what is new", async () => {
  const outcome = takeSnapshot(await writer.snapshot(two));
  assert.deepEqual([...(outcome.change?.services ?? [])].toSorted(), ["shop/cart", "shop/extra"]);
  assert.equal(outcome.isNewBeat, true);
  assert.equal(healthy(), 2);
  assert.equal(shard.content.endpoints(cart).length, 2);
});

test("a snapshot that differs in one record touches that service only", async () => {
  takeSnapshot(await writer.snapshot(two));
  const next = new Map([...two, ...recordsOf({ "shop/extra": ["unhealthy"] })]);
  const outcome = takeSnapshot(await writer.snapshot(next, { seq: 7, beat: 7 }));
  assert.deepEqual([...(outcome.change?.services ?? [])], ["shop/extra"]);
});

const spoilt: readonly (readonly [string, (good: ShardSnapshot) => ShardSnapshot])[] = [
  ["an omitted record", (good) => ({ ...good, records: new Map([...good.records].slice(1)) })],
  [
    "an added record",
    (good) => ({
      ...good,
      records: new Map([...good.records, ["service/a/b", Buffer.from("{}")]]),
    }),
  ],
  [
    "a changed byte",
    (good) => ({
      ...good,
      records: new Map(
        [...good.records].map(([key, bytes], index) => [
          key,
          index === 0 ? Buffer.concat([bytes, Buffer.from(" ")]) : bytes,
        ]),
      ),
    }),
  ],
  [
    "two records swapped",
    (good) => {
      const [first, second] = [...good.records];
      assert.ok(first && second);
      return {
        ...good,
        records: new Map([...good.records, [first[0], second[1]], [second[0], first[1]]]),
      };
    },
  ],
  [
    "a key that is not ours",
    (good) => ({ ...good, records: new Map([...good.records, ["__proto__", Buffer.from("{}")]]) }),
  ],
  [
    "a record beyond the bound",
    (good) => ({
      ...good,
      records: new Map([...good.records, ["drill/x", Buffer.alloc(300_000)]]),
    }),
  ],
];
for (const [what, spoil] of spoilt) {
  test(`a snapshot with ${what} changes nothing and is reported`, async () => {
    takeSnapshot(await writer.snapshot(one));
    const outcome = takeSnapshot(spoil(await writer.snapshot(two, { seq: 2, beat: 2 })));
    assert.equal(outcome.change, undefined);
    assert.equal(outcome.problem?.code, "CATALOG_SHARD_UNFIT");
    assert.equal(healthy(), 1);
  });
}

test("a head of another member, or a forged one, is refused", async () => {
  const foreign = await createHandWriter(west, { trust, nowMs }).snapshot(one);
  assert.equal(takeSnapshot(foreign).problem?.code, "CATALOG_HEAD_REFUSED");
  const good = await writer.snapshot(one);
  const { signature } = foreign.head;
  const forged = { ...good, head: { ...good.head, signature } };
  assert.equal(takeSnapshot(forged).problem?.code, "CATALOG_HEAD_REFUSED");
  assert.equal(healthy(), undefined);
});

test("a delta that follows is applied, and says what it touched", async () => {
  takeSnapshot(await writer.snapshot(one));
  const entry = await writer.delta({ from: one, to: two });
  const outcome = shard.take({ t: "entry", entry }, at);
  assert.deepEqual([...(outcome.change?.services ?? [])].toSorted(), ["shop/cart", "shop/extra"]);
  assert.equal(outcome.isBehind, false);
  assert.equal(shard.status().position?.seq, 2);
});

test("a delta that removes records removes their service", async () => {
  takeSnapshot(await writer.snapshot(two));
  const entry = await writer.delta({ from: two, to: one });
  shard.take({ t: "entry", entry }, at);
  assert.deepEqual([...shard.content.services()], [cart]);
});

test("a delta whose records were changed on the way is taken back whole", async () => {
  takeSnapshot(await writer.snapshot(one));
  const entry = await writer.delta({ from: one, to: two });
  const lying = { ...entry, removed: [serviceKey(cart)] };
  const outcome = shard.take({ t: "entry", entry: lying }, at);
  assert.equal(outcome.change, undefined);
  assert.equal(outcome.isBehind, true);
  assert.equal(healthy(), 1);
  // What was taken back fits again: the honest one still applies.
  assert.ok(shard.take({ t: "entry", entry }, at).change);
});

test("a delta may change the number of buckets", async () => {
  takeSnapshot(await writer.snapshot(one));
  const entry = await writer.delta({ from: one, to: two }, { buckets: 8 });
  assert.ok(shard.take({ t: "entry", entry }, at).change);
  assert.equal(healthy(), 2);
});

const gaps: readonly (readonly [string, { epoch?: number; seq: number }])[] = [
  ["a gap in seq", { seq: 3 }],
  ["a newer epoch", { epoch: 101, seq: 2 }],
];
for (const [what, head] of gaps) {
  test(`a delta with ${what} asks for the snapshot`, async () => {
    takeSnapshot(await writer.snapshot(one));
    const entry = await writer.delta({ from: one, to: two }, head);
    const outcome = shard.take({ t: "entry", entry }, at);
    assert.deepEqual([outcome.change, outcome.isBehind], [undefined, true]);
    assert.equal(healthy(), 1);
  });
}

test("a delta before any snapshot asks for the snapshot", async () => {
  const entry = await writer.delta({ from: new Map(), to: one }, { seq: 1 });
  assert.equal(shard.take({ t: "entry", entry }, at).isBehind, true);
});

const replays: readonly (readonly [string, { epoch?: number; seq?: number }])[] = [
  ["an older seq", { seq: 4 }],
  ["an older epoch", { epoch: 99, seq: 900 }],
];
for (const [what, head] of replays) {
  test(`a replayed snapshot of ${what} changes nothing and is no life sign`, async () => {
    takeSnapshot(await writer.snapshot(two, { seq: 5, beat: 5 }));
    const outcome = takeSnapshot(await writer.snapshot(one, { beat: 4, ...head }));
    assert.deepEqual([outcome.change, outcome.isNewBeat], [undefined, false]);
    assert.equal(healthy(), 2);
  });
}

test("a newer epoch replaces the content whatever its seq", async () => {
  takeSnapshot(await writer.snapshot(one, { seq: 50, beat: 50 }));
  assert.ok(takeSnapshot(await writer.snapshot(two, { epoch: 101 })).change);
  assert.equal(healthy(), 2);
});

test("an epoch more than a day ahead is refused", async () => {
  const far = await writer.snapshot(one, { epoch: nowMs + day + 1000 });
  assert.equal(takeSnapshot(far).problem?.code, "CATALOG_HEAD_REFUSED");
  assert.ok(takeSnapshot(await writer.snapshot(one, { epoch: nowMs + day - 1000 })).change);
});

test("of two contents signed as the same seq every reader takes the larger digest and raises an alarm", async () => {
  const left = await writer.snapshot(one, { beat: 1 });
  const right = await writer.snapshot(two, { beat: 2 });
  const outcomes: (number | undefined)[] = [];
  for (const order of [
    [left, right],
    [right, left],
  ]) {
    shard = shardOf(anyClaim);
    for (const snapshot of order) takeSnapshot(snapshot);
    outcomes.push(healthy());
    assert.equal(shard.findings()[0]?.code, "CATALOG_SHARD_CONFLICT");
  }
  assert.equal(outcomes[0], outcomes[1]);
});

test("a head ahead of the content is a life sign, asks for the snapshot, and removes nothing", async () => {
  takeSnapshot(await writer.snapshot(one));
  const head = await writer.head({ seq: 9, beat: 9 });
  const outcome = shard.take({ t: "head", head }, at);
  assert.deepEqual([outcome.isNewBeat, outcome.isBehind, outcome.change], [true, true, undefined]);
  assert.equal(healthy(), 1);
});

test("the lease runs by the reader's own clock since the last new beat", async () => {
  takeSnapshot(await writer.snapshot(one));
  assert.equal(shard.lease.leaseAt(14_999), "live");
  assert.equal(shard.lease.leaseAt(15_000), "lost");
  const head = await writer.head({ seq: 1, beat: 1 });
  shard.take({ t: "head", head }, { nowMs, monotonicMs: 15_500 });
  assert.equal(shard.lease.leaseAt(15_500), "lost", "the same beat again is no life sign");
  const next = await writer.head({ beat: 2, timeMs: nowMs - day });
  shard.take({ t: "head", head: next }, { nowMs, monotonicMs: 16_000 });
  assert.equal(shard.lease.leaseAt(25_999), "live", "clocks count at the first contact only");
});

test("at a cold start an old head is content, not life", async () => {
  takeSnapshot(await writer.snapshot(one, { timeMs: nowMs - 70_001 }));
  assert.equal(healthy(), 1);
  assert.equal(shard.lease.leaseAt(at.monotonicMs), "lost");
});

test("a copy from disk is content, not life", async () => {
  const snapshot = await writer.snapshot(one);
  const outcome = shard.take({ t: "disk", snapshot }, at);
  assert.ok(outcome.change);
  assert.equal(shard.lease.leaseAt(at.monotonicMs), "lost");
  assert.equal(takeSnapshot(snapshot).isNewBeat, true, "the same head in a hub is");
});

test("a snapshot by an expired signer is taken, marked, and no life sign", async () => {
  const snapshot = await writer.snapshot(one);
  trust.expireAt(east, nowMs - 1);
  const outcome = takeSnapshot(snapshot);
  assert.ok(outcome.change);
  assert.equal(outcome.isNewBeat, false);
  assert.equal(shard.status().isSignerExpired, true);
  const head = await writer.head({ beat: 5 });
  assert.equal(shard.take({ t: "head", head }, at).problem?.code, "CATALOG_HEAD_REFUSED");
});

test("a key that ran out replaces nothing that a later one signed", async () => {
  const stolen = await writer.snapshot(one, { epoch: 200 });
  const before = await writer.snapshot(one);
  trust.expireAt(east, nowMs - 1);
  trust.renew(east);
  const renewed = createHandWriter(east, { trust, nowMs });
  takeSnapshot(await renewed.snapshot(two, { seq: 2 }));
  assert.equal(takeSnapshot(stolen).problem?.code, "CATALOG_HEAD_REFUSED");
  assert.deepEqual([healthy(), shard.status().position?.epoch], [2, 100]);
  assert.equal(takeSnapshot(before).problem, undefined, "what is merely old is no alarm");
});

test("what a key signed before it ran out is taken by whoever comes late", async () => {
  trust.expireAt(east, nowMs + 1);
  takeSnapshot(await writer.snapshot(one));
  const last = await writer.snapshot(two, { seq: 2, beat: 2 });
  assert.ok(takeSnapshot(last, { ...at, nowMs: nowMs + 2 }).change);
  assert.equal(healthy(), 2);
});

test("content outlives the certificate that signed it", async () => {
  takeSnapshot(await writer.snapshot(one));
  trust.expireAt(east, nowMs - 1);
  assert.equal(takeSnapshot(await writer.snapshot(one, { beat: 3 })).change, undefined);
  assert.equal(healthy(), 1);
  assert.equal(shard.status().isSignerExpired, false);
});

test("a record of a newer schema leaves the last good one and is reported", async () => {
  takeSnapshot(await writer.snapshot(one));
  const newer = new Map([...one, [serviceKey(cart), Buffer.from('{"schema":2}')]]);
  takeSnapshot(await writer.snapshot(newer, { seq: 2, beat: 2 }));
  assert.equal(healthy(), 1);
  assert.equal(shard.findings()[0]?.code, "CATALOG_RECORD_NEWER");
  takeSnapshot(await writer.snapshot(two, { seq: 3, beat: 3 }));
  assert.deepEqual([healthy(), shard.findings().length], [2, 0]);
});

test("a record that makes no sense leaves the last good one and is reported", async () => {
  takeSnapshot(await writer.snapshot(one));
  const broken = new Map([...one, [serviceKey(cart), Buffer.from("{")]]);
  takeSnapshot(await writer.snapshot(broken, { seq: 2, beat: 2 }));
  assert.equal(healthy(), 1);
  assert.equal(shard.findings()[0]?.code, "CATALOG_RECORD_REFUSED");
});

test("records of unknown kinds are carried, so that the digest fits, and mean nothing", async () => {
  const records = new Map([...one, ["policy/x", Buffer.from("?")]]);
  assert.ok(takeSnapshot(await writer.snapshot(records)).change);
  assert.deepEqual(shard.copy()?.records.get("policy/x"), Buffer.from("?"));
  assert.deepEqual(shard.findings(), []);
});

test("an export of a foreign namespace is dropped and reported", async () => {
  shard = shardOf((_, claim) =>
    claim.t === "export" ? { t: "dropped", reason: "not yours" } : { t: "ok" },
  );
  takeSnapshot(await writer.snapshot(one));
  assert.equal(healthy(), undefined);
  const [finding] = shard.findings();
  assert.deepEqual([finding?.code, finding?.message], ["CATALOG_CLAIM_DROPPED", "not yours"]);
});

test("an export none of whose identities may be claimed is dropped", async () => {
  shard = shardOf((_, claim) =>
    claim.t === "identity" ? { t: "dropped", reason: "foreign" } : { t: "ok" },
  );
  takeSnapshot(await writer.snapshot(one));
  assert.equal(healthy(), undefined);
});

test("an endpoint at a foreign address is dropped, its service stays", async () => {
  const foreign = endpointOf(2).address;
  shard = shardOf((_, claim) =>
    claim.t === "address" && claim.address === foreign
      ? { t: "dropped", reason: "out of range" }
      : { t: "ok" },
  );
  takeSnapshot(await writer.snapshot(two));
  assert.deepEqual(
    shard.content.endpoints(cart).map((endpoint) => endpoint.workload),
    ["w-1"],
  );
});

test("recheck() gives back what a newer charter allows", async () => {
  let isAllowed = false;
  shard = shardOf(() => (isAllowed ? { t: "ok" } : { t: "dropped", reason: "no" }));
  takeSnapshot(await writer.snapshot(one));
  assert.equal(healthy(), undefined);
  isAllowed = true;
  assert.deepEqual([...shard.content.recheck().services], [cart]);
  assert.equal(healthy(), 1);
  assert.deepEqual(shard.findings(), []);
});

test("the copy holds a signature that verifies, also when a hub served another beside the same head", async () => {
  const good = await writer.snapshot(one);
  const bytes = Buffer.from("spoilt");
  const spoiltHead = { ...good.head, signature: { ...good.head.signature, bytes } };
  shard.take({ t: "head", head: good.head }, at);
  assert.ok(takeSnapshot({ ...good, head: spoiltHead }).change);
  assert.deepEqual(shard.copy()?.head.signature.bytes, good.head.signature.bytes);
});
