import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSpiffeId } from "../../src/mesh/ids.ts";
import { witnessOf } from "../../src/proxy/witness.ts";

const cart = { id: parseSpiffeId("spiffe://east.shop.test/ns/shop/sa/cart") };
const frontend = { id: parseSpiffeId("spiffe://east.shop.test/ns/shop/sa/frontend") };

test("a witness is an identity on a host, whatever its port", () => {
  assert.equal(witnessOf(cart, "10.0.0.1:4000"), witnessOf(cart, "10.0.0.1:4001"));
  assert.notEqual(witnessOf(cart, "10.0.0.1:4000"), witnessOf(cart, "10.0.0.2:4000"));
  assert.notEqual(witnessOf(cart, "10.0.0.1:4000"), witnessOf(frontend, "10.0.0.1:4000"));
});

test("addresses that one machine may choose from are one host", () => {
  const same = (one: string, other: string): void =>
    assert.equal(witnessOf(cart, one), witnessOf(cart, other));
  same("127.0.0.1:1", "127.9.9.9:1");
  same("127.0.0.1:1", "::1:1");
  same("127.0.0.1:1", "::ffff:127.0.0.1:1");
  same("10.0.0.1:1", "::ffff:10.0.0.1:1");
  same("2001:db8:0:1::1:1", "2001:db8:0:1:ffff::2:1");
  same("fe80::1%eth0:1", "fe80::2%eth1:1");
  assert.notEqual(witnessOf(cart, "2001:db8:0:1::1:1"), witnessOf(cart, "2001:db8:0:2::1:1"));
});
