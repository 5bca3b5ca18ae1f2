import assert from "node:assert/strict";
import { test } from "node:test";
import type { Head } from "../../../src/discovery/shards/head.ts";
import {
  createHeadSigner,
  maxHeadBytes,
  peekHead,
  verifyHead,
} from "../../../src/discovery/shards/head.ts";
import type { SignedHead } from "../../../src/discovery/shards/store.ts";
import { infrastructureSpiffeId, parseMeshDomain, trustDomainOf } from "../../../src/mesh/ids.ts";
import type { VerifySignature } from "../../../src/mesh/ports.ts";
import { createFakeTrust } from "../support/fake-trust.ts";
import { east, mesh, west } from "../support/made.ts";

const trust = createFakeTrust(mesh);
const head: Head = {
  mesh,
  member: east,
  epoch: 5,
  seq: 2,
  beat: 9,
  leaseMs: 10_000,
  buckets: 4,
  digest: "ab".repeat(32),
  timeMs: 1_790_000_000_000,
  owner: { instance: "i-1", host: "vm-1" },
};
const expected = { mesh, member: east, verify: trust.verify, nowMs: 0, allowExpired: false };

async function signed(change: Partial<Head> = {}, member = east): Promise<SignedHead> {
  return createHeadSigner(trust.signFor(member))({ ...head, ...change });
}

/** A head with one field replaced, signed over its new bytes. */
async function resigned(change: Readonly<Record<string, unknown>>): Promise<SignedHead> {
  const fields = JSON.parse(Buffer.from((await signed()).bytes).toString()) as object;
  const bytes = Buffer.from(JSON.stringify({ ...fields, ...change }));
  return { bytes, signature: await trust.signFor(east)(bytes) };
}

test("a signed head is read back as it was", async () => {
  const verdict = verifyHead(await signed(), expected);
  assert.deepEqual(verdict, {
    t: "ok",
    head,
    isExpired: false,
    notAfterMs: Number.MAX_SAFE_INTEGER,
  });
});

test("the signer's digest in the head follows a renewed certificate", async () => {
  const sign = createHeadSigner(trust.signFor(west));
  const judge = { ...expected, member: west };
  assert.equal(verifyHead(await sign({ ...head, member: west }), judge).t, "ok");
  trust.renew(west);
  assert.equal(verifyHead(await sign({ ...head, member: west }), judge).t, "ok");
});

const wrongs: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
  ["another purpose", { purpose: "isthmus-charter/1" }],
  ["no purpose", { purpose: undefined }],
  ["an epoch of 0", { epoch: 0 }],
  ["an epoch that is no integer", { epoch: 1.5 }],
  ["a seq as text", { seq: "2" }],
  ["a beat beyond safe integers", { beat: 2 ** 60 }],
  ["a lease of a day", { leaseMs: 86_400_000 }],
  ["a number of buckets that is no power of two", { buckets: 3 }],
  ["buckets without bound", { buckets: 2 ** 40 }],
  ["a digest in capitals", { digest: "AB".repeat(32) }],
  ["a signer that is not the certificate beside it", { signer: "00".repeat(32) }],
  ["no owner", { owner: null }],
  ["an owner with a line break", { owner: { instance: "i\n1", host: "h" } }],
  ["another mesh", { mesh: "other.mesh" }],
  ["another member", { member: "west" }],
  ["padding beyond the bound", { padding: "x".repeat(maxHeadBytes) }],
];
for (const [what, change] of wrongs) {
  test(`verifyHead() refuses ${what}`, async () => {
    assert.equal(verifyHead(await resigned(change), expected).t, "refused");
  });
}

test("verifyHead() takes a field that a newer version added", async () => {
  assert.equal(verifyHead(await resigned({ novelty: true }), expected).t, "ok");
});

test("verifyHead() refuses another member's signature", async () => {
  const { bytes } = await signed();
  const forged = { bytes, signature: await trust.signFor(west)(bytes) };
  assert.equal(verifyHead(forged, expected).t, "refused");
});

test("verifyHead() refuses that member's own agent, gateway and workloads as signers", async () => {
  const good = await signed();
  for (const id of [
    infrastructureSpiffeId(trustDomainOf(east, mesh), "agent"),
    infrastructureSpiffeId(trustDomainOf(east, mesh), "gateway"),
    infrastructureSpiffeId(trustDomainOf(east, parseMeshDomain("other.mesh")), "catalog"),
  ]) {
    const verify: VerifySignature = (bytes, options) => {
      const verdict = trust.verify(bytes, options);
      return verdict.t === "ok" ? { t: "ok", peer: { ...verdict.peer, id } } : verdict;
    };
    assert.equal(verifyHead(good, { ...expected, verify }).t, "refused");
  }
});

test("verifyHead() takes an expired signer only where that is allowed, and says so", async () => {
  const other = createFakeTrust(mesh);
  const late = await createHeadSigner(other.signFor(east))(head);
  other.expireAt(east, 1000);
  const judge = { ...expected, verify: other.verify, nowMs: 2000 };
  assert.equal(verifyHead(late, judge).t, "refused");
  const verdict = verifyHead(late, { ...judge, allowExpired: true });
  assert.equal(verdict.t === "ok" && verdict.isExpired, true);
});

test("peekHead() reads without judging and survives junk", async () => {
  assert.deepEqual(peekHead((await signed()).bytes), head);
  for (const junk of ["", "null", "[]", "{", '{"purpose":1}', "\u0000\u0001"]) {
    assert.equal(peekHead(Buffer.from(junk)), undefined);
  }
});
