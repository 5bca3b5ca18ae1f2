import assert from "node:assert/strict";
import { test } from "node:test";
import { createWritePace } from "../../../src/discovery/mcs/write-pace.ts";
import { parseServiceId } from "../../../src/mesh/ids.ts";

const cart = parseServiceId("shop/cart");
const other = parseServiceId("shop/other");

test("a service's objects may be written 30 times at once, then once a second", () => {
  const pace = createWritePace();
  for (let write = 0; write < 29; write += 1) pace.wrote(cart, 0);
  assert.equal(pace.waitMs(cart, 0), 0);
  pace.wrote(cart, 0);
  assert.equal(pace.waitMs(cart, 0), 1000);
  assert.equal(pace.waitMs(cart, 400), 600);
  assert.equal(pace.waitMs(cart, 1000), 0);
  assert.equal(pace.waitMs(other, 0), 0);
});

test("a service whose writes fail waits longer each time, up to a minute, until one succeeds", () => {
  const pace = createWritePace();
  const fail = (nowMs: number): number => {
    pace.failed(cart, { nowMs, random: () => 0 });
    return pace.waitMs(cart, nowMs);
  };
  assert.deepEqual([fail(0), fail(0), fail(0)], [100, 200, 400]);
  for (let more = 0; more < 20; more += 1) fail(0);
  assert.equal(pace.waitMs(cart, 0), 30_000);
  assert.equal(pace.waitMs(other, 0), 0);
  pace.succeeded(cart);
  assert.equal(pace.waitMs(cart, 0), 0);
});
