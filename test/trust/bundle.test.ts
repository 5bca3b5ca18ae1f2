import assert from "node:assert/strict";
import { test } from "node:test";
import { bundleOf, jwksOf, parseBundle, parseJwks } from "../../src/trust/bundle.ts";
import { madeMesh, madeRoot, madeSvid } from "./made.ts";

const made = await madeMesh();
const second = await madeRoot();
const one = made.root.certificate.der;
const two = second.certificate.der;
const both = bundleOf([one, two]);
const jwks = jwksOf(both, { sequence: 7, refreshHintSeconds: 60 });

test("bundleOf() has one digest for one set of roots", () => {
  assert.equal(bundleOf([two, one, two]).digest, both.digest);
  assert.notEqual(bundleOf([one]).digest, both.digest);
});

test("parseBundle() reads what a bundle gives as PEM", () => {
  assert.equal(parseBundle(`# two roots\n${both.pem}`).digest, both.digest);
});

test("bundleOf() refuses an empty list, issuers, leaves and more than 16 roots", async () => {
  const { leaf } = await madeSvid(made.east);
  const refusal = { code: "MESH_TRUST_CHAIN_REFUSED" };
  assert.throws(() => bundleOf([]), refusal);
  assert.throws(() => bundleOf([one, made.east.certificate.der]), refusal);
  assert.throws(() => bundleOf([leaf.der]), refusal);
  const many = await Promise.all(
    Array.from({ length: 17 }, async () => (await madeRoot()).certificate.der),
  );
  assert.throws(() => bundleOf(many), refusal);
});

test("parseBundle() refuses a private key, a broken block and an empty file", () => {
  const key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
  assert.throws(() => parseBundle(both.pem + key), { code: "MESH_TRUST_DER_INVALID" });
  assert.throws(() => parseBundle(both.pem.slice(0, -10)), { code: "MESH_TRUST_DER_INVALID" });
  assert.throws(() => parseBundle(""), { code: "MESH_TRUST_CHAIN_REFUSED" });
});

test("jwksOf() writes SPIFFE's form: one certificate, its use, no key id", () => {
  const [key] = jwks.keys as readonly Record<string, unknown>[];
  assert.deepEqual(Object.keys(key ?? {}).sort(), ["crv", "kty", "use", "x", "x5c", "y"]);
  assert.equal(key?.["use"], "x509-svid");
  assert.deepEqual(key?.["x5c"], [both.roots[0]?.der.toString("base64")]);
});

test("parseJwks() reads it back", () => {
  const found = parseJwks(JSON.stringify(jwks));
  assert.equal(found.bundle.digest, both.digest);
  assert.deepEqual([found.sequence, found.refreshHintSeconds], [7, 60]);
});

test("parseJwks() skips other uses and key types, and assumes 300 seconds", () => {
  const others = [
    { use: "jwt-svid", kty: "EC", kid: "a" },
    { kty: "oct" },
    { use: "x509-svid", kty: "OKP", x5c: ["AA=="] },
  ];
  const found = parseJwks(JSON.stringify({ keys: [...others, ...jwks.keys] }));
  assert.equal(found.bundle.digest, both.digest);
  assert.deepEqual([found.sequence, found.refreshHintSeconds], [undefined, 300]);
});

test("parseJwks() refuses what would otherwise mean that everything is revoked", () => {
  const [first, other] = jwks.keys;
  const mixed = { ...first, x5c: (other as { x5c: readonly string[] }).x5c };
  const hostile = [
    "",
    "[]",
    "{}",
    '{"keys":[]}',
    '{"keys":{}}',
    '{"keys":[{"use":"x509-svid"}]}',
    JSON.stringify({ keys: [mixed] }),
    " ".repeat(300_000),
  ];
  for (const text of hostile) {
    assert.throws(() => parseJwks(text), { code: "MESH_TRUST_CHAIN_REFUSED" }, text.slice(0, 40));
  }
});
