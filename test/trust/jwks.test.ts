import assert from "node:assert/strict";
import { test } from "node:test";
import { bundleOf } from "../../src/trust/bundle.ts";
import { jwksOf, parseJwks } from "../../src/trust/jwks.ts";
import { madeMesh, madeRoot } from "./made.ts";

const made = await madeMesh();
const second = await madeRoot();
const both = bundleOf([made.root.certificate.der, second.certificate.der]);
const jwks = jwksOf(both, { sequence: 7, refreshHintSeconds: 60 });

test("jwksOf() writes SPIFFE's form: one certificate, its use, no key id", () => {
  const [key] = jwks.keys as readonly Record<string, unknown>[];
  assert.deepEqual(Object.keys(key ?? {}).sort(), ["crv", "kty", "use", "x", "x5c", "y"]);
  assert.equal(key?.["use"], "x509-svid");
  assert.deepEqual(key?.["x5c"], [both.roots[0]?.der.toString("base64")]);
});

test("parseJwks() reads it back", () => {
  const found = parseJwks(JSON.stringify(jwks));
  assert.equal(found.bundle?.digest, both.digest);
  assert.deepEqual([found.sequence, found.refreshHintSeconds], [7, 60]);
});

test("parseJwks() skips other uses and key types, and assumes 300 seconds", () => {
  const others = [
    { use: "jwt-svid", kty: "EC", kid: "a" },
    { kty: "oct" },
    { use: "x509-svid", kty: "OKP", x5c: ["AA=="] },
  ];
  const found = parseJwks(JSON.stringify({ keys: [...others, ...jwks.keys] }));
  assert.equal(found.bundle?.digest, both.digest);
  assert.deepEqual([found.sequence, found.refreshHintSeconds], [undefined, 300]);
});

test("parseJwks() takes an empty list at its word, and counts roots that it does not understand", () => {
  assert.equal(parseJwks('{"keys":[],"spiffe_sequence":9}').bundle, undefined);
  const rsa = { use: "x509-svid", kty: "RSA", n: "AQAB", e: "AQAB", x5c: ["AA=="] };
  const p521 = { use: "x509-svid", kty: "EC", crv: "P-521", x: "AA", y: "AA", x5c: ["AA=="] };
  assert.equal(parseJwks(JSON.stringify({ keys: [rsa, p521, ...jwks.keys] })).skipped, 2);
  assert.equal(parseJwks(JSON.stringify(jwks)).skipped, 0);
});

test("parseJwks() refuses what would otherwise mean that everything is revoked", () => {
  const [first, other] = jwks.keys;
  const mixed = { ...first, x5c: (other as { x5c: readonly string[] }).x5c };
  const hostile = [
    "",
    "[]",
    "{}",
    '{"keys":{}}',
    '{"keys":[{"use":"x509-svid"}]}',
    JSON.stringify({ keys: [mixed] }),
    JSON.stringify({ keys: [{ use: "x509-svid", kty: "RSA", x5c: ["AA=="] }] }),
    `{"keys":[],${JSON.stringify(jwks).slice(1)}`,
    JSON.stringify(jwks).replace('"spiffe_sequence":7', '"spiffe_sequence":7,"spiffe_sequence":9'),
    " ".repeat(300_000),
  ];
  for (const text of hostile) {
    assert.throws(() => parseJwks(text), { code: "MESH_TRUST_CHAIN_REFUSED" }, text.slice(0, 40));
  }
});
