import assert from "node:assert/strict";
import { test } from "node:test";
import { createFoundHeads, type FoundHeads } from "../../../src/discovery/publish/found-heads.ts";
import type { Head } from "../../../src/discovery/shards/head.ts";
import type { SignedHead } from "../../../src/discovery/shards/store.ts";
import { createFakeTrust } from "../support/fake-trust.ts";
import { east, mesh, west } from "../support/made.ts";
import { createHandWriter } from "../support/writer.ts";

const nowMs = 1_800_000_000_000;
const leaseMs = 10_000;
const me = { instance: "one", host: "vm" };
const other = { instance: "two", host: "vm-2" };

interface Found {
  readonly found: FoundHeads;
  /** Signed with a certificate that ends in a minute. */
  readonly head: (change?: Partial<Head>) => Promise<SignedHead>;
  /** What was asked for: epochs to exceed, instances to yield to. */
  readonly asked: (number | string)[];
  readonly judge: (head: SignedHead, at?: { readonly laterMs: number }) => "overwrite" | "leave";
}

function foundBy(own: { readonly hasLooked: boolean } = { hasLooked: true }): Found {
  const trust = createFakeTrust(mesh);
  trust.expireAt(east, nowMs + 60_000);
  const asked: (number | string)[] = [];
  const found = createFoundHeads({
    mesh,
    member: east,
    verify: trust.verify,
    leaseMs,
    own: () => ({ epoch: 100, seq: 5, instance: me.instance, ...own }),
    onEpoch: (above) => asked.push(above),
    onHolder: ({ instance }) => asked.push(instance),
  });
  const head: Found["head"] = (change) => createHandWriter(east, { trust, nowMs }).head(change);
  return {
    found,
    head,
    asked,
    judge: (signed, { laterMs } = { laterMs: 0 }) =>
      found.judge(
        { position: { epoch: 1, seq: 1, digest: "" }, head: signed },
        { nowMs: nowMs + laterMs, monotonicMs: laterMs },
      ),
  };
}

for (const [what, change, verdict, asked] of [
  ["its own older head", { epoch: 100, seq: 4 }, "overwrite", []],
  ["its own newer head", { epoch: 100, seq: 6 }, "leave", [100]],
  ["a head of an earlier life above it", { epoch: 300 }, "leave", [300]],
  ["another instance's older head", { epoch: 99, owner: other }, "overwrite", []],
  ["another instance's newer head", { epoch: 300, owner: other }, "leave", ["two"]],
  ["an epoch of next month", { epoch: nowMs + 30 * 86_400_000 }, "leave", [100]],
] as const) {
  test(`judge() of ${what}: ${verdict}, asks for [${asked.join()}]`, async () => {
    const { judge, head, asked: told } = foundBy();
    assert.equal(judge(await head(change)), verdict);
    assert.deepEqual(told, asked);
  });
}

test("judge() yields to another instance's older head as long as nobody was looked for", async () => {
  const { judge, head, asked } = foundBy({ hasLooked: false });
  assert.equal(judge(await head({ epoch: 99, owner: other })), "leave");
  assert.deepEqual(asked, ["two"]);
});

test("judge() rises above another instance whose certificate has ended, and yields to nobody", async () => {
  const { judge, head, asked, found } = foundBy();
  const signed = await head({ epoch: 300, owner: other });
  assert.equal(found.lifeIn(signed, nowMs)?.epoch, 300);
  assert.equal(found.lifeIn(signed, nowMs + 61_000), undefined);
  assert.equal(judge(signed, { laterMs: 61_000 }), "leave");
  assert.deepEqual(asked, [300]);
});

test("judge() rises above what is not its member's once in a lease, and else overwrites it", async () => {
  const { judge, asked, found } = foundBy();
  const trust = createFakeTrust(mesh);
  const junk = await createHandWriter(west, { trust, nowMs }).head();
  assert.equal(found.lifeIn(junk, nowMs), undefined);
  const verdicts = [0, leaseMs - 1, leaseMs].map((laterMs) => judge(junk, { laterMs }));
  assert.deepEqual(verdicts, ["leave", "overwrite", "leave"]);
  assert.deepEqual(asked, [100, 100]);
});
