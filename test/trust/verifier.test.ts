import assert from "node:assert/strict";
import { sign } from "node:crypto";
import { test } from "node:test";
import type { Charter } from "../../src/mesh/charter.ts";
import { parseMemberName, parseMeshDomain, parseSpiffeId } from "../../src/mesh/ids.ts";
import { bundleOf } from "../../src/trust/bundle.ts";
import {
  childrenOf,
  der,
  isTrue,
  octets,
  readDer,
  sequence,
  tag,
  writeDer,
} from "../../src/trust/der.ts";
import { createVerifier } from "../../src/trust/verifier.ts";
import {
  cartId,
  east,
  madeMember,
  madeMesh,
  madeRoot,
  madeSvid,
  memberEntry,
  mesh,
  nowMs,
  west,
  wishedLeaf,
} from "./made.ts";

const made = await madeMesh();
const { charter } = made.charter;
const { key, leaf } = await madeSvid(made.east);
const chain = [leaf.der, made.east.certificate.der];
const bytes = Buffer.from("a signed head");
const signed = { bytes, signature: { bytes: sign("sha256", bytes, key), chain } };
const { verifyPeer, verifySignature } = verifierFor(charter);

function verifierFor(...charters: readonly Charter[]): ReturnType<typeof createVerifier> {
  let asked = 0;
  // Each question gets the next charter, the last one for ever.
  const next = (): Charter => charters[Math.min(asked++, charters.length - 1)] ?? charter;
  return createVerifier({ mesh, bundle: () => made.bundle, charter: next });
}

function reasonOf(verdict: ReturnType<typeof verifyPeer>): string {
  return verdict.t === "refused" ? verdict.reason : "taken";
}

test("verifyPeer() says who the peer is", () => {
  assert.deepEqual(verifyPeer(chain, { nowMs }), {
    t: "ok",
    peer: {
      id: cartId,
      notBeforeMs: leaf.notBeforeMs,
      notAfterMs: leaf.notAfterMs,
      leafSha256: leaf.sha256,
      issuerSpkiSha256: made.east.signer.keyId,
      isExpired: false,
    },
  });
});

test("verifyPeer() refuses an expired chain that it remembers as good", () => {
  const late = { nowMs: leaf.notAfterMs + 1 };
  assert.equal(verifyPeer(chain, { nowMs }).t, "ok");
  assert.match(reasonOf(verifyPeer(chain, late)), /expired/);
  assert.equal(verifyPeer(chain, { nowMs }).t, "ok");
});

test("verifyPeer() takes an expired leaf where that is allowed, and marks it", () => {
  for (const nowMs of [leaf.notAfterMs + 1, made.east.certificate.notAfterMs + 1]) {
    const verdict = verifyPeer(chain, { nowMs, allowExpired: true });
    assert.ok(verdict.t === "ok");
    assert.equal(verdict.peer.isExpired, true);
  }
});

test("verifyPeer() refuses a leaf that is not valid yet, expired ones allowed or not", () => {
  for (const allowExpired of [true, false]) {
    const early = { nowMs: leaf.notBeforeMs - 1, allowExpired };
    assert.match(reasonOf(verifyPeer(chain, early)), /not valid yet/);
  }
});

test("verifyPeer() refuses a leaf that outlived its issuer, expired ones allowed or not", async () => {
  const { certificate } = made.east;
  const notAfterMs = certificate.notAfterMs + 1000;
  const outliving = await wishedLeaf({ issuer: made.east, notAfterMs });
  const options = { nowMs: notAfterMs + 1, allowExpired: true };
  assert.match(reasonOf(verifyPeer([outliving.der, certificate.der], options)), /expired/);
});

test("verifyPeer() refuses a member as soon as the charter denies it", () => {
  const denied: Charter = {
    ...charter,
    members: charter.members.map((one) => (one.name === east ? { ...one, state: "denied" } : one)),
  };
  const { verifyPeer } = verifierFor(charter, denied);
  assert.equal(verifyPeer(chain, { nowMs }).t, "ok");
  assert.match(reasonOf(verifyPeer(chain, { nowMs })), /denies member "east"/);
});

test("verifyPeer() still takes a member that is leaving", () => {
  const leaving: Charter = {
    ...charter,
    members: charter.members.map((one) => ({ ...one, state: "leaving" as const })),
  };
  assert.equal(verifierFor(leaving).verifyPeer(chain, { nowMs }).t, "ok");
});

const minuteMs = 60_000;

test("verifyPeer() refuses an issuer that the charter does not list for that member", async () => {
  const unlisted = await madeMember(made.root, { member: east });
  const { leaf } = await madeSvid(unlisted);
  const later = verifierFor({ ...charter, timeMs: nowMs + 6 * minuteMs });
  const verdict = later.verifyPeer([leaf.der, unlisted.certificate.der], { nowMs });
  assert.match(reasonOf(verdict), /does not list this issuer/);
});

test("verifyPeer() takes an issuer that the root certified when it wrote the charter, or after that", async () => {
  const young = await madeMember(made.root, { member: east });
  const { leaf } = await madeSvid(young);
  for (const timeMs of [nowMs - 60 * minuteMs, nowMs, nowMs + 4 * minuteMs]) {
    const { verifyPeer: judge } = verifierFor({ ...charter, timeMs });
    assert.equal(judge([leaf.der, young.certificate.der], { nowMs }).t, "ok");
  }
});

test("verifyPeer() takes no young issuer of a member that the charter denies", async () => {
  const young = await madeMember(made.root, { member: east });
  const { leaf } = await madeSvid(young);
  const members = charter.members.map((one) => ({ ...one, state: "denied" }) as const);
  const { verifyPeer: judge } = verifierFor({ ...charter, members, timeMs: nowMs - minuteMs });
  const verdict = judge([leaf.der, young.certificate.der], { nowMs });
  assert.match(reasonOf(verdict), /denies/);
});

test("verifyPeer() refuses an issuer that the charter lists for another member", () => {
  const swapped = {
    ...charter,
    members: [memberEntry(east, made.west), memberEntry(west, made.east)],
  };
  assert.match(reasonOf(verifierFor(swapped).verifyPeer(chain, { nowMs })), /does not list/);
});

test("verifyPeer() refuses a member that the charter does not have", async () => {
  const north = await madeMember(made.root, { member: parseMemberName("north") });
  const { leaf } = await madeSvid(north, parseSpiffeId("spiffe://north.acme.mesh/ns/a/sa/b"));
  const verdict = verifyPeer([leaf.der, north.certificate.der], { nowMs });
  assert.match(reasonOf(verdict), /does not have member "north"/);
});

test("verifyPeer() refuses a trust domain outside the mesh", () => {
  const other = createVerifier({
    mesh: parseMeshDomain("other.mesh"),
    bundle: () => made.bundle,
    charter: undefined,
  });
  assert.match(reasonOf(other.verifyPeer(chain, { nowMs })), /not a member of other.mesh/);
});

test("verifyPeer() without a charter takes any issuer bound to a member", async () => {
  const launcher = createVerifier({ mesh, bundle: () => made.bundle, charter: undefined });
  const unlisted = await madeMember(made.root, { member: east });
  const { leaf } = await madeSvid(unlisted);
  assert.equal(launcher.verifyPeer([leaf.der, unlisted.certificate.der], { nowMs }).t, "ok");
});

test("verifyPeer() forgets what it remembers when the bundle loses the root", async () => {
  const roots = [made.bundle, bundleOf([(await madeRoot()).certificate.der])];
  let asked = 0;
  const { verifyPeer } = createVerifier({
    mesh,
    bundle: () => roots[asked++] ?? made.bundle,
    charter: () => charter,
  });
  assert.equal(verifyPeer(chain, { nowMs }).t, "ok");
  assert.match(reasonOf(verifyPeer(chain, { nowMs })), /no trusted root/);
});

test("verifyPeer() refuses junk, nothing and too much without throwing", () => {
  const nine = Array.from({ length: 9 }, () => leaf.der);
  for (const hostile of [
    [],
    [Buffer.alloc(0)],
    [Buffer.from("junk")],
    nine,
    [Buffer.alloc(9000)],
  ]) {
    assert.equal(verifyPeer(hostile, { nowMs }).t, "refused");
  }
  assert.equal(verifyPeer([...chain, Buffer.from("junk")], { nowMs }).t, "refused");
});

/** Raw OIDs are text here, and some texts are names that every object has. */
for (const word of ["__proto__", "constructor", "valueOf", "hasOwnProperty"]) {
  test(`verifyPeer() takes an OID that reads "${word}" for a stranger`, async () => {
    const id = der(tag.oid, word);
    const [stranger, ignored] = await Promise.all([
      wishedLeaf({ issuer: made.east, more: [sequence(id, isTrue(), octets(sequence()))] }),
      wishedLeaf({ issuer: made.east, more: [sequence(id, octets(Buffer.from("any")))] }),
    ]);
    const issuer = made.east.certificate.der;
    assert.match(reasonOf(verifyPeer([stranger.der, issuer], { nowMs })), /unknown critical/);
    assert.equal(verifyPeer([ignored.der, issuer], { nowMs }).t, "ok");
  });

  test(`verifyPeer() refuses a signature algorithm that reads "${word}"`, () => {
    const [tbs, , signature] = childrenOf(
      readDer(leaf.der, { maxBytes: 8192, maxDepth: 16 }),
      tag.sequence,
    );
    const algorithm = sequence(der(tag.oid, word));
    const fields = childrenOf(tbs, tag.sequence).with(2, algorithm);
    assert.ok(signature !== undefined);
    const odd = writeDer(sequence(sequence(...fields), algorithm, signature));
    assert.match(reasonOf(verifyPeer([odd, made.east.certificate.der], { nowMs })), /ECDSA/);
  });
}

test("verifyPeer() does not take two cuts of the same bytes for the same chain", () => {
  const whole = Buffer.concat(chain);
  assert.equal(verifyPeer(chain, { nowMs }).t, "ok");
  assert.equal(verifyPeer([whole], { nowMs }).t, "refused");
});

test("verifySignature() takes what the leaf's key signed", () => {
  const verdict = verifySignature(signed, { nowMs });
  assert.ok(verdict.t === "ok");
  assert.equal(verdict.peer.id, cartId);
});

test("verifySignature() refuses other bytes, another key and another hash", () => {
  const { signature } = signed;
  const otherKey = { ...signature, bytes: sign("sha256", bytes, made.east.key) };
  const otherHash = { ...signature, bytes: sign("sha384", bytes, key) };
  const empty = { ...signature, bytes: Buffer.alloc(0) };
  const other = [
    { bytes: Buffer.from("another head"), signature },
    { bytes, signature: otherKey },
    { bytes, signature: otherHash },
    { bytes, signature: empty },
  ];
  for (const one of other) {
    assert.match(reasonOf(verifySignature(one, { nowMs })), /signature is wrong/);
  }
});

test("verifySignature() refuses a good signature under a refused chain", () => {
  const lone = { bytes, signature: { ...signed.signature, chain: [leaf.der] } };
  assert.match(reasonOf(verifySignature(lone, { nowMs })), /no trusted root/);
});
