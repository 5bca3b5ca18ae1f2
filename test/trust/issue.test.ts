import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMemberName, parseMeshDomain, parseSpiffeId } from "../../src/mesh/ids.ts";
import { parseCertificate } from "../../src/trust/certificate.ts";
import { createCsr } from "../../src/trust/csr.ts";
import { newPrivateKey } from "../../src/trust/io/new-key.ts";
import { backdateMs, issueIntermediate, issueSvid, probeIssuer } from "../../src/trust/issue.ts";
import { renewSvid } from "../../src/trust/issuer.ts";
import { spkiOf } from "../../src/trust/keys.ts";
import { guardRoot, issuerTrustDomain } from "../../src/trust/root-guard.ts";
import { signerOf } from "../../src/trust/signer.ts";
import { verifyPath } from "../../src/trust/verify.ts";
import {
  cartId,
  constraints,
  east,
  madeMesh,
  madeSvid,
  mesh,
  nowMs,
  westCartId,
  wishedIssuer,
} from "./made.ts";

const made = await madeMesh();
const roots = made.bundle.roots;
const spki = spkiOf(newPrivateKey());
const refusal = { code: "MESH_TRUST_ISSUE_REFUSED" };
const dayMs = 86_400_000;

test("createRoot() lives ten years and issueIntermediate() one", () => {
  const lifeOf = ({ certificate }: typeof made.root): number => certificate.notAfterMs - nowMs;
  assert.equal(lifeOf(made.root), 3653 * dayMs);
  assert.equal(lifeOf(made.east), 365 * dayMs);
});

test("issueSvid() backdates by 15 minutes and lives a day", async () => {
  const leaf = await issueSvid({ issuer: made.east, id: cartId, spki, nowMs: nowMs + dayMs });
  assert.equal(leaf.notBeforeMs, nowMs + dayMs - backdateMs);
  assert.equal(leaf.notAfterMs, nowMs + 2 * dayMs);
});

test("issueSvid() never outlives its issuer, at either end", async () => {
  const early = await issueSvid({ issuer: made.east, id: cartId, spki, nowMs });
  assert.ok(early.notBeforeMs >= made.east.certificate.notBeforeMs);
  const end = made.east.certificate.notAfterMs;
  const late = await issueSvid({ issuer: made.east, id: cartId, spki, nowMs: end - 3_600_000 });
  assert.equal(late.notAfterMs, end);
  const over = { issuer: made.east, id: cartId, spki, nowMs: end - 1000 };
  await assert.rejects(issueSvid(over), refusal);
});

test("issueSvid() refuses an identity outside its issuer's trust domain", async () => {
  await assert.rejects(issueSvid({ issuer: made.east, id: westCartId, spki, nowMs }), refusal);
});

test("issueSvid() adds DNS names of its trust domain and refuses others", async () => {
  const options = { issuer: made.east, id: cartId, spki, nowMs };
  const leaf = await issueSvid({ ...options, dnsNames: ["probe.east.acme.mesh"] });
  assert.deepEqual(leaf.extensions.subjectAltName?.names.slice(1), [
    { t: "dns", value: "probe.east.acme.mesh" },
  ]);
  await assert.rejects(issueSvid({ ...options, dnsNames: ["west.acme.mesh"] }), refusal);
});

test("issueSvid() finds a signer that does not fit its certificate before anything leaves", async () => {
  const issuer = { certificate: made.east.certificate, signer: made.west.signer };
  await assert.rejects(issueSvid({ issuer, id: cartId, spki, nowMs }), refusal);
});

test("issueSvid() gives different certificates different serials", async () => {
  const other = spkiOf(newPrivateKey());
  const leaves = [
    await issueSvid({ issuer: made.east, id: cartId, spki, nowMs }),
    await issueSvid({ issuer: made.east, id: cartId, spki: other, nowMs }),
    await issueSvid({ issuer: made.east, id: cartId, spki, nowMs: nowMs + 1000 }),
  ];
  assert.equal(new Set(leaves.map((leaf) => leaf.serial)).size, 3);
});

test("issueIntermediate() binds an issuer to its member's trust domain", () => {
  assert.equal(issuerTrustDomain(made.east.certificate), "east.acme.mesh");
  assert.equal(issuerTrustDomain(made.root.certificate), undefined);
});

test("issuerTrustDomain() knows no issuer whose constraints are not exactly the member's", async () => {
  const east = { t: "uri", value: "east.acme.mesh" } as const;
  for (const nameConstraints of [undefined, constraints({ permitted: [east] })]) {
    const issuer = await wishedIssuer({ issuer: made.root, nameConstraints });
    assert.equal(issuerTrustDomain(issuer.certificate), undefined);
  }
});

test("guardRoot() signs bound issuers of its mesh and nothing else", async () => {
  const guarded = guardRoot(made.root.signer, mesh);
  const unbound = await wishedIssuer({ issuer: made.root, nameConstraints: undefined });
  const { leaf } = await madeSvid(made.east);
  assert.ok((await guarded.sign(made.east.certificate.tbs)).length > 0);
  for (const tbs of [unbound.certificate.tbs, leaf.tbs, made.root.certificate.tbs]) {
    await assert.rejects(guarded.sign(tbs), refusal);
  }
  await assert.rejects(guarded.sign(Buffer.from("junk")), { code: "MESH_TRUST_DER_INVALID" });
  const foreign = guardRoot(made.root.signer, parseMeshDomain("other.mesh"));
  await assert.rejects(foreign.sign(made.east.certificate.tbs), refusal);
});

test("issueIntermediate() refuses a key that is not on P-256", async () => {
  const options = { root: made.root, member: east, mesh, nowMs };
  await assert.rejects(issueIntermediate({ ...options, spki: Buffer.from("junk") }), refusal);
});

test("probeIssuer() passes a good issuer and finds one that peers would refuse", async () => {
  const probe = { id: cartId, roots, nowMs };
  await probeIssuer(made.east, probe);
  const stranger = (await madeMesh()).east;
  await assert.rejects(probeIssuer(stranger, probe), refusal);
  const mismatched = { ...made.east, signer: signerOf(newPrivateKey()) };
  await assert.rejects(probeIssuer(mismatched, probe), refusal);
});

const peer = {
  id: cartId,
  notBeforeMs: nowMs - 1000,
  notAfterMs: nowMs + dayMs,
  leafSha256: "",
  issuerSpkiSha256: made.east.signer.keyId,
  isExpired: false,
};
const agent = { issuer: made.east, bundle: made.bundle, nowMs };

test("renewSvid() gives a proven peer its own identity for its new key", async () => {
  const key = newPrivateKey();
  const answer = await renewSvid({ csrDer: createCsr(key), peer }, agent);
  const chain = answer.chainDer.map(parseCertificate);
  const verdict = verifyPath(chain, { roots, atMs: nowMs });
  assert.ok(verdict.t === "ok");
  assert.equal(verdict.path.id, cartId);
  assert.deepEqual(verdict.path.leaf.spki, spkiOf(key));
  assert.deepEqual(answer.bundleDer, [made.root.certificate.der]);
});

test("renewSvid() refuses expired peers, other members, the agent's own roles and a bad CSR", async () => {
  const csrDer = createCsr(newPrivateKey());
  const stranger = parseSpiffeId(`spiffe://${parseMemberName("north")}.acme.mesh/ns/a/sa/b`);
  const refused = [
    { ...peer, isExpired: true },
    { ...peer, id: westCartId },
    { ...peer, id: stranger },
    { ...peer, id: parseSpiffeId("spiffe://east.acme.mesh/isthmus/agent") },
    { ...peer, id: parseSpiffeId("spiffe://east.acme.mesh/isthmus/catalog") },
    { ...peer, id: parseSpiffeId("spiffe://east.acme.mesh/isthmus/operator/eve") },
  ];
  for (const one of refused) {
    await assert.rejects(renewSvid({ csrDer, peer: one }, agent), refusal, one.id);
  }
  const junk = { csrDer: Buffer.from("junk"), peer };
  await assert.rejects(renewSvid(junk, agent), { code: "MESH_TRUST_CSR_REFUSED" });
});
