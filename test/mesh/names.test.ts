import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMemberName, parseMeshDomain, parseServiceId } from "../../src/mesh/ids.ts";
import {
  hostOf,
  inboundName,
  outboundName,
  probeSniOf,
  sniOf,
  targetOfSni,
} from "../../src/mesh/names.ts";

const cart = {
  service: parseServiceId("shop/cart"),
  port: 80,
  suffix: "svc.cluster.local",
} as const;

test("names follow Istio's forms", () => {
  assert.equal(hostOf(cart), "cart.shop.svc.cluster.local");
  assert.equal(outboundName(cart), "outbound|80||cart.shop.svc.cluster.local");
  assert.equal(sniOf(cart), "outbound_.80_._.cart.shop.svc.cluster.local");
  assert.equal(inboundName({ address: "10.0.0.7", port: 8080 }), "inbound|8080||10.0.0.7");
});

test("targetOfSni() reads what sniOf() wrote, under both suffixes", () => {
  for (const suffix of ["svc.cluster.local", "svc.clusterset.local"] as const) {
    assert.deepEqual(targetOfSni(sniOf({ ...cart, suffix })), { ...cart, suffix });
  }
});

for (const sni of [
  "",
  "cart.shop.svc.cluster.local",
  "outbound_.0_._.cart.shop.svc.cluster.local",
  "outbound_.080_._.cart.shop.svc.cluster.local",
  "outbound_.65536_._.cart.shop.svc.cluster.local",
  "outbound_.80_.v1_.cart.shop.svc.cluster.local",
  "outbound_.80_._.cart.svc.cluster.local",
  "outbound_.80_._.a.cart.shop.svc.cluster.local",
  "outbound_.80_._.cart.shop.svc.cluster.local.evil",
  "outbound_.80_._.-cart.shop.svc.cluster.local",
  `outbound_.80_._.${"x".repeat(64)}.shop.svc.cluster.local`,
]) {
  test(`targetOfSni() knows nothing of ${JSON.stringify(sni.slice(0, 60))}`, () => {
    assert.equal(targetOfSni(sni), undefined);
  });
}

test("probeSniOf() lies outside the suffixes that a gateway forwards", () => {
  const sni = probeSniOf(parseMemberName("east"), parseMeshDomain("acme.mesh"));
  assert.equal(sni, "probe.east.acme.mesh");
  assert.equal(targetOfSni(sni), undefined);
});
