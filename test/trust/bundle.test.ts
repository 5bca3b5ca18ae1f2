import assert from "node:assert/strict";
import { test } from "node:test";
import { bundleOf, parseBundle } from "../../src/trust/bundle.ts";
import { madeMesh, madeRoot, madeSvid } from "./made.ts";

const made = await madeMesh();
const second = await madeRoot();
const one = made.root.certificate.der;
const two = second.certificate.der;
const both = bundleOf([one, two]);

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
