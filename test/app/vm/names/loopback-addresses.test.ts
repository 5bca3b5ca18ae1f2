import assert from "node:assert/strict";
import { test } from "node:test";
import { loopbackAddresses } from "../../../../src/app/vm/names/loopback-addresses.ts";
import { parseServiceId, type ServiceId } from "../../../../src/mesh/ids.ts";

const [cart, web] = ["shop/cart", "shop/web"].map(parseServiceId) as [ServiceId, ServiceId];

test("loopbackAddresses() gives a service the same address whoever stands beside it", () => {
  const alone = loopbackAddresses([cart]).get(cart);
  assert.match(alone ?? "", /^127\.79\.\d+\.\d+$/);
  assert.equal(loopbackAddresses([web, cart, cart]).get(cart), alone);
});

test("loopbackAddresses() gives no address twice, and none that looks like a network's", () => {
  const services = Array.from({ length: 5000 }, (_, n) => parseServiceId(`shop/service-${n}`));
  const addresses = [...loopbackAddresses(services).values()];
  assert.equal(new Set(addresses).size, 5000);
  for (const address of addresses) {
    const [a, b, c, d] = address.split(".").map(Number);
    assert.deepEqual([a, b], [127, 79]);
    assert.ok(c !== undefined && c <= 255 && d !== undefined && d >= 1 && d <= 254, address);
  }
});
