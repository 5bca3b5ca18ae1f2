import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { TestContext } from "node:test";
import { test } from "node:test";
import type { ShopAnswer, ShopApp, ShopAppOptions } from "../../examples/shop/app.ts";
import { shopCalls, startShopApp } from "../../examples/shop/app.ts";

async function start(
  t: TestContext,
  options: Pick<ShopAppOptions, "service"> & Partial<ShopAppOptions>,
): Promise<ShopApp & { readonly url: string }> {
  const app = await startShopApp({ member: "west", workload: `${options.service}-1`, ...options });
  t.after(() => app.close());
  return { ...app, url: `http://${app.host}:${app.port}/` };
}

test("a shop app says who it is and who answered it", async (t) => {
  const inventory = await start(t, { service: "inventory", member: "onprem" });
  const catalog = await start(t, { service: "catalog", upstreams: { inventory: inventory.url } });
  const answer = await fetch(catalog.url);
  const body = (await answer.json()) as ShopAnswer;
  assert.equal(answer.status, 200);
  assert.deepEqual([body.service, body.member, body.workload], ["catalog", "west", "catalog-1"]);
  const called = body.calls["inventory"];
  assert.ok(called !== undefined && "member" in called);
  assert.equal(called.member, "onprem");
});

test("a shop app answers 502 and names the upstream that failed", async (t) => {
  const cart = await start(t, { service: "cart" });
  await cart.close();
  const checkout = await start(t, { service: "checkout", upstreams: { cart: cart.url } });
  const answer = await fetch(checkout.url);
  assert.equal(answer.status, 502);
  const body = (await answer.json()) as ShopAnswer;
  assert.ok("error" in (body.calls["cart"] ?? {}));
});

test("a shop app's health answer turns with setHealthy()", async (t) => {
  const cart = await start(t, { service: "cart" });
  assert.equal((await fetch(`${cart.url}healthz`)).status, 200);
  cart.setHealthy(false);
  assert.equal((await fetch(`${cart.url}healthz`)).status, 503);
  assert.equal((await fetch(cart.url)).status, 200);
});

test("a shop app that crashes resets its connections and frees its port", async (t) => {
  const cart = await start(t, { service: "cart" });
  const socket = connect(cart.port, cart.host);
  await once(socket, "connect");
  const cut = once(socket, "error");
  // The server knows the connection once it has answered on it.
  socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await once(socket, "data");
  await cart.crash();
  assert.equal(((await cut)[0] as NodeJS.ErrnoException).code, "ECONNRESET");
  await assert.rejects(fetch(cart.url));
});

test("a shop app that cannot listen rejects", async (t) => {
  const cart = await start(t, { service: "cart" });
  await assert.rejects(
    startShopApp({ service: "cart", member: "w", workload: "c", port: cart.port }),
    {
      code: "EADDRINUSE",
    },
  );
});

test("shopCalls names only services that exist", () => {
  const services = new Set(Object.keys(shopCalls));
  assert.deepEqual(
    Object.values(shopCalls)
      .flat()
      .filter((called) => !services.has(called)),
    [],
  );
});
