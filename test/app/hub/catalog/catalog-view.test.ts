import assert from "node:assert/strict";
import { test } from "node:test";
import type { CatalogView } from "../../../../src/app/hub/catalog/catalog-view.ts";
import type { HubPeek } from "../../../../src/app/hub/catalog/peek-hub.ts";
import { encodeRecord } from "../../../../src/discovery/shards/records.ts";
import type { CatalogStore } from "../../../../src/discovery/shards/store.ts";
import { MeshError } from "../../../../src/mesh/errors.ts";
import { parseMemberName } from "../../../../src/mesh/ids.ts";
import { signCharter } from "../../../../src/trust/charter.ts";
import { withStanding } from "../../../../src/trust/charter-edit.ts";
import { east, madeMember, madeMesh, madeRoot, nowMs, west } from "../../../trust/made.ts";
import { cartOf, memberRecord, memoryHub, recordsOf, view, writerOf } from "./made-catalog.ts";

const noSignal = new AbortController().signal;
const made = await madeMesh();
const eastWriter = await writerOf(east, made.east);
const good = recordsOf(memberRecord, cartOf(east));

function codesIn({ findings }: CatalogView): readonly string[] {
  return findings.map(({ code, severity }) => `${severity} ${code}`).sort();
}

test("viewCatalog() finds nothing wrong with a shard that its member signed", async () => {
  const store = memoryHub("hub").connect();
  await eastWriter.put(store, good);
  const seen = await view(made, [store], { members: [east] });
  const [shard] = seen.hubs[0]?.shards ?? [];
  assert.deepEqual(codesIn(seen), []);
  assert.equal(shard?.state, "fits");
  assert.equal(shard?.records, 2);
  assert.equal(shard?.isDigestFit, true);
  assert.equal(shard?.head?.owner.host, "vm-1");
  assert.ok((shard?.signer?.endsAtMs ?? 0) > nowMs);
});

test("viewCatalog() reports active members that a hub knows nothing of, as a warning", async () => {
  const store = memoryHub("hub").connect();
  await eastWriter.put(store, good);
  const seen = await view(made, [store]);
  assert.deepEqual(codesIn(seen), ["warning CATALOG_SHARD_ABSENT"]);
  assert.equal(seen.findings[0]?.subject, "hub west");
});

for (const [title, writer] of [
  ["another member", await writerOf(west, made.west, { speaksFor: east })],
  ["another role of the same member", await writerOf(east, made.east, { role: "agent" })],
  [
    "an issuer that the charter does not list",
    await writerOf(east, await madeMember(await madeRoot(), { member: east })),
  ],
] as const) {
  test(`viewCatalog() refuses a head signed by ${title}`, async () => {
    const store = memoryHub("hub").connect();
    await writer.put(store, good);
    const seen = await view(made, [store], { members: [east] });
    assert.equal(seen.hubs[0]?.shards[0]?.state, "refused");
    assert.deepEqual(codesIn(seen), ["error CATALOG_HEAD_REFUSED"]);
    assert.ok((seen.findings[0]?.remedy ?? "").length > 20);
  });
}

test("viewCatalog() names the records that differ, where another hub's copy fits", async () => {
  const [one, two] = [memoryHub("one").connect(), memoryHub("two").connect()];
  await eastWriter.put(one, good);
  const forged = new Map(good).set("service/shop/cart", encodeRecord(cartOf(east, "shop/cart2")));
  await eastWriter.put(two, good, { instead: forged });
  const seen = await view(made, [one, two], { members: [east] });
  assert.equal(seen.hubs[1]?.shards[0]?.state, "unfit");
  assert.equal(seen.hubs[1]?.shards[0]?.isDigestFit, false);
  const about = seen.findings.filter(({ code }) => code === "CATALOG_SHARD_UNFIT");
  assert.ok(about.every(({ subject }) => subject === "two east"));
  assert.ok(about.some(({ message }) => message.includes('"service/shop/cart"')));
});

test("viewCatalog() finds an omitted record", async () => {
  const store = memoryHub("hub").connect();
  const less = new Map(good);
  less.delete("service/shop/cart");
  await eastWriter.put(store, good, { instead: less });
  const seen = await view(made, [store], { members: [east] });
  assert.deepEqual(codesIn(seen), ["error CATALOG_SHARD_UNFIT"]);
});

test("viewCatalog() refuses claims that the charter does not give", async () => {
  const store = memoryHub("hub").connect();
  // An identity of west in a record of east.
  const stolen = recordsOf(memberRecord, { ...cartOf(west) });
  await eastWriter.put(store, stolen);
  const seen = await view(made, [store], { members: [east] });
  assert.equal(seen.hubs[0]?.shards[0]?.state, "partly");
  assert.deepEqual(codesIn(seen), ["error CATALOG_CLAIM_DROPPED"]);
  assert.equal(seen.findings[0]?.subject, "hub east:service/shop/cart");
});

test("viewCatalog() names keys that are not ours, without what steers terminals", async () => {
  const store = memoryHub("hub").connect();
  const junk = new Map(good).set("\u001b[2Jevil", Buffer.from("{}"));
  await eastWriter.put(store, junk, { head: { buckets: 1 } });
  const seen = await view(made, [store], { members: [east] });
  const texts = seen.findings.map(({ subject, message }) => subject + message).join("");
  assert.doesNotMatch(texts, /\p{Cc}/u);
  assert.match(texts, /\\u\{1b\}\[2Jevil/);
});

test("viewCatalog() bounds what one shard can say", async () => {
  const store = memoryHub("hub").connect();
  const many = new Map(good);
  for (let index = 0; index < 500; index += 1) many.set(`Junk ${index}`, Buffer.from("x"));
  await eastWriter.put(store, many);
  const seen = await view(made, [store], { members: [east] });
  assert.ok(seen.findings.length <= 60, String(seen.findings.length));
});

test("viewCatalog() tells a silent member by its beat, and does not fail for it", async () => {
  const store = memoryHub("hub").connect();
  await eastWriter.put(store, good);
  const seen = await view(made, [store], { members: [east], atMs: nowMs + 3_600_000 });
  assert.deepEqual(codesIn(seen), ["warning CATALOG_LEASE_LOST"]);
  assert.equal(seen.hubs[0]?.shards[0]?.ageMs, 3_600_000);
});

test("viewCatalog() takes content whose signer has expired, and says so", async () => {
  const short = await writerOf(east, made.east, { lifeMs: 3_600_000 });
  const store = memoryHub("hub").connect();
  await short.put(store, good);
  const seen = await view(made, [store], { members: [east], atMs: nowMs + 7_200_000 });
  assert.deepEqual(codesIn(seen), ["warning CATALOG_LEASE_LOST", "warning CATALOG_SIGNER_EXPIRED"]);
  assert.equal(seen.hubs[0]?.shards[0]?.state, "fits");
});

test("viewCatalog() finds the hub that is behind", async () => {
  const [one, two] = [memoryHub("one").connect(), memoryHub("two").connect()];
  await eastWriter.put(one, good, { head: { seq: 7 } });
  await eastWriter.put(two, recordsOf(memberRecord), { head: { seq: 6 } });
  const seen = await view(made, [one, two], { members: [east] });
  assert.deepEqual(codesIn(seen), ["warning CATALOG_HUB_BEHIND"]);
  assert.equal(seen.findings[0]?.subject, "two east");
});

test("viewCatalog() finds two contents signed as one position", async () => {
  const [one, two] = [memoryHub("one").connect(), memoryHub("two").connect()];
  await eastWriter.put(one, good);
  await eastWriter.put(two, recordsOf(memberRecord));
  const seen = await view(made, [one, two], { members: [east] });
  assert.deepEqual(codesIn(seen), ["error CATALOG_SHARD_CONFLICT"]);
});

test("viewCatalog() judges by the newest charter that any hub holds", async () => {
  const store = memoryHub("hub").connect();
  await eastWriter.put(store, good);
  const { charter } = made.charter;
  const denying = withStanding(charter, { name: east, state: "denied", nowMs: Date.now() });
  const newer = await signCharter(denying, made.root.signer);
  const number = charter.number + 1;
  await store.putCharter({ member: west, number, charter: newer.signed }, noSignal);
  const seen = await view(made, [store], { members: [east] });
  assert.equal(seen.charter.number, number);
  assert.deepEqual(seen.hubs[0]?.charters, [number]);
  assert.equal(seen.hubs[0]?.shards[0]?.standing, "denied");
  assert.deepEqual(codesIn(seen), ["error CATALOG_HEAD_REFUSED"]);
});

test("viewCatalog() refuses a charter of another root", async () => {
  const store = memoryHub("hub").connect();
  const stranger = await madeMesh();
  const { charter } = stranger.charter;
  const forged = await signCharter({ ...charter, number: 99 }, stranger.root.signer);
  await store.putCharter({ member: west, number: 99, charter: forged.signed }, noSignal);
  await eastWriter.put(store, good);
  const seen = await view(made, [store], { members: [east] });
  assert.equal(seen.charter.number, made.charter.charter.number);
  assert.deepEqual(codesIn(seen), ["error TRUST_CHARTER_REFUSED"]);
});

test("viewCatalog() goes on with the other hubs when one does not answer", async () => {
  const store = memoryHub("one").connect();
  await eastWriter.put(store, good);
  const refuse = (): Promise<never> =>
    Promise.reject(new MeshError("MESH_CATALOG_UNAVAILABLE", "Cannot read: it is away"));
  const away: CatalogStore = {
    ...memoryHub("two").connect(),
    readCharters: refuse,
    readSnapshot: refuse,
  };
  const seen = await view(made, [store, away], { members: [east] });
  assert.equal(seen.hubs[0]?.shards[0]?.state, "fits");
  assert.match(seen.hubs[1]?.failure ?? "", /it is away/);
  assert.deepEqual(codesIn(seen), ["error HUB_UNREACHABLE"]);
});

test("viewCatalog() tells junk under a member's keys from nothing, and names strangers", async () => {
  const store = memoryHub("hub").connect();
  await eastWriter.put(store, good);
  const stranger = parseMemberName("stranger");
  const peek = async (): Promise<HubPeek> => ({
    present: new Set([east, west]),
    named: [east, west, stranger],
  });
  const seen = await view(made, [store], { peek });
  assert.deepEqual(codesIn(seen), ["error CATALOG_SHARD_UNFIT", "warning CATALOG_MEMBER_UNKNOWN"]);
  assert.equal(seen.hubs[0]?.shards[1]?.state, "unfit");
  assert.match(seen.findings.map(({ message }) => message).join(), /: stranger$|: stranger,/);
});
