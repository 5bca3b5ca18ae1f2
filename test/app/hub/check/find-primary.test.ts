import assert from "node:assert/strict";
import { test } from "node:test";
import { findPrimary } from "../../../../src/app/hub/check/find-primary.ts";
import { openDoors } from "../../../../src/app/hub/hub-doors.ts";
import { type FakeServer, openFakeServer } from "../../../support/redis/fake-server.ts";

function master(): Promise<FakeServer> {
  return openFakeServer(([name]) => (name === "PING" ? "+PONG\r\n" : "+OK\r\n"));
}

function sentinel(says: { readonly port: number; readonly epoch: number }): Promise<FakeServer> {
  const fields = ["ip", "127.0.0.1", "port", String(says.port), "config-epoch", String(says.epoch)];
  const reply = fields.map((text) => `$${text.length}\r\n${text}\r\n`).join("");
  return openFakeServer(([name]) => {
    if (name === "SENTINEL") return `*${fields.length}\r\n${reply}`;
    return name === "PING" ? "+PONG\r\n" : "+OK\r\n";
  });
}

test("findPrimary() follows the sentinel of the latest election, not the first one named", async () => {
  await using before = await master();
  await using now = await master();
  await using stale = await sentinel({ port: before.port, epoch: 3 });
  await using informed = await sentinel({ port: now.port, epoch: 4 });
  const url = `redis+sentinel://127.0.0.1:${stale.port},127.0.0.1:${informed.port}/mesh`;
  const found = await findPrimary(await openDoors({ url, name: "hub" }), "any");
  assert.ok(found.t === "found");
  using _node = found.node;
  assert.deepEqual(found.address, { host: "127.0.0.1", port: now.port });
});
