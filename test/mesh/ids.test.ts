import assert from "node:assert/strict";
import { test } from "node:test";
import {
  infrastructureSpiffeId,
  memberOfTrustDomain,
  nameOf,
  namespaceOf,
  parseMemberName,
  parseMeshDomain,
  parseServiceId,
  parseSpiffeId,
  spiffePartsOf,
  trustDomainOf,
  workloadSpiffeId,
} from "../../src/mesh/ids.ts";

const refused = { code: "MESH_ID_INVALID" };
const mesh = parseMeshDomain("acme.mesh");
const east = trustDomainOf(parseMemberName("east"), mesh);

for (const name of ["east", "eks-us-east-1", "a", "9", "x".repeat(63)]) {
  test(`parseMemberName() takes ${name}`, () => assert.equal(parseMemberName(name), name));
}

for (const name of ["", "East", "a.b", "-a", "a-", "a_b", "x".repeat(64), "a\n", "é"]) {
  test(`parseMemberName() refuses ${JSON.stringify(name)}`, () => {
    assert.throws(() => parseMemberName(name), refused);
  });
}

test("parseServiceId() reads a namespace and a name", () => {
  const id = parseServiceId("shop/cart");
  assert.equal(namespaceOf(id), "shop");
  assert.equal(nameOf(id), "cart");
});

for (const text of ["cart", "shop/cart/x", "/cart", "shop/", "shop//cart", "Shop/cart"]) {
  test(`parseServiceId() refuses ${text}`, () =>
    assert.throws(() => parseServiceId(text), refused));
}

test("trustDomainOf() and memberOfTrustDomain() are inverses", () => {
  assert.equal(east, "east.acme.mesh");
  assert.equal(memberOfTrustDomain(east, mesh), "east");
});

for (const id of [
  "spiffe://x.east.acme.mesh/a",
  "spiffe://acme.mesh/a",
  "spiffe://east.acme.meshes/a",
  "spiffe://eastacme.mesh/a",
]) {
  test(`memberOfTrustDomain() knows no member for ${id}`, () => {
    const { trustDomain } = spiffePartsOf(parseSpiffeId(id));
    assert.equal(memberOfTrustDomain(trustDomain, mesh), undefined);
  });
}

test("workloadSpiffeId() names the service account", () => {
  const id = workloadSpiffeId(east, { namespace: "shop", serviceAccount: "cart" });
  assert.equal(id, "spiffe://east.acme.mesh/ns/shop/sa/cart");
});

test("infrastructureSpiffeId() names the role", () => {
  assert.equal(infrastructureSpiffeId(east, "catalog"), "spiffe://east.acme.mesh/isthmus/catalog");
});

for (const id of [
  "spiffe://a",
  "spiffe://1.2.3.4/x",
  "spiffe://a/B/c.d_e-f",
  `spiffe://a/${"x".repeat(2000)}`,
]) {
  test(`parseSpiffeId() takes ${id.slice(0, 40)}`, () => assert.equal(parseSpiffeId(id), id));
}

for (const id of [
  "",
  "https://a/b",
  "spiffe://",
  "spiffe:///b",
  "spiffe://A/b",
  "spiffe://a:80/b",
  "spiffe://u@a/b",
  "spiffe://a/b/",
  "spiffe://a//b",
  "spiffe://a/./b",
  "spiffe://a/../b",
  "spiffe://a/b?c",
  "spiffe://a/b#c",
  "spiffe://a/%62",
  "spiffe://a/b c",
  "spiffe://a/b\n",
  `spiffe://${"a".repeat(256)}/b`,
  `spiffe://a/${"x".repeat(2048)}`,
]) {
  test(`parseSpiffeId() refuses ${JSON.stringify(id.slice(0, 40))}`, () => {
    assert.throws(() => parseSpiffeId(id), refused);
  });
}
