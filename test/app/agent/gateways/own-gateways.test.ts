import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { OwnGateways } from "../../../../src/app/agent/gateways/own-gateways.ts";
import { type MemberName, parseMemberName } from "../../../../src/mesh/ids.ts";
import { silentLog } from "../../support/test-mesh.ts";

const west = parseMemberName("west");
const north = parseMemberName("north");
const address = "gw.example:15443";
const never = new AbortController().signal;

interface World {
  nowMs: number;
  others: readonly MemberName[];
  readonly confirmed: Set<MemberName>;
  isWriter: boolean;
  changes: number;
}

function openGateways(): { readonly gateways: OwnGateways; readonly world: World } {
  const world: World = {
    nowMs: 0,
    others: [west, north],
    confirmed: new Set(),
    isWriter: true,
    changes: 0,
  };
  const gateways = new OwnGateways({
    addresses: [{ host: "gw.example", port: 15_443, zone: "a" }],
    onChange: () => {
      world.changes += 1;
    },
    others: () => world.others,
    hasConfirmed: (member) => world.confirmed.has(member),
    isWriter: () => world.isWriter,
    clock: { nowMs: () => world.nowMs, monotonicMs: () => world.nowMs },
    log: silentLog,
  });
  return { gateways, world };
}

const serving = { address, instance: "one", isDraining: false, waitMs: 0 };
const draining = { ...serving, isDraining: true, waitMs: 5_000 };

suite("OwnGateways", () => {
  test("publishes a drain at once and answers it when all others have confirmed", async () => {
    const { gateways, world } = openGateways();
    await gateways.announced(serving, never);
    assert.equal(world.changes, 0);
    const answer = gateways.announced(draining, never);
    assert.deepEqual(gateways.records(), [
      { host: "gw.example", port: 15_443, zone: "a", draining: 1 },
    ]);
    assert.equal(world.changes, 1);
    world.confirmed.add(west);
    gateways.look();
    world.confirmed.add(north);
    gateways.look();
    assert.deepEqual(await answer, { isKnown: true, isPublished: true, missing: [] });
    await gateways.announced({ ...serving, instance: "two" }, never);
    assert.deepEqual(gateways.records(), [{ host: "gw.example", port: 15_443, zone: "a" }]);
    assert.equal(world.changes, 2);
    // What was confirmed of one drain says nothing of the next.
    void gateways.announced({ ...draining, instance: "two", waitMs: 0 }, never);
    assert.deepEqual(
      gateways.records()?.map((one) => one.draining),
      [2],
    );
  });

  test("names who is missing when time is up", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
    const { gateways, world } = openGateways();
    world.confirmed.add(north);
    const answer = gateways.announced(draining, never);
    t.mock.timers.tick(5_000);
    assert.deepEqual((await answer).missing, [west]);
  });

  test("waits no longer for a member that falls silent, nor for nobody", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
    const { gateways, world } = openGateways();
    world.confirmed.add(north);
    const answer = gateways.announced(draining, never);
    world.others = [north];
    t.mock.timers.tick(300);
    assert.deepEqual((await answer).missing, []);
    world.others = [];
    assert.deepEqual((await gateways.announced(draining, never)).missing, []);
  });

  test("gives up when the gateway has gone", async () => {
    const { gateways } = openGateways();
    const gone = new AbortController();
    const answer = gateways.announced(draining, gone.signal);
    gone.abort();
    assert.deepEqual((await answer).missing, [west, north]);
  });

  test("a standby answers at once: the writer publishes", async () => {
    const { gateways, world } = openGateways();
    world.isWriter = false;
    const answer = await gateways.announced(draining, never);
    assert.deepEqual(answer, { isKnown: true, isPublished: false, missing: [] });
  });

  test("speaks of addresses of which nobody has spoken for a minute", async () => {
    const { gateways, world } = openGateways();
    assert.deepEqual(gateways.findings(), []);
    world.nowMs = 60_000;
    assert.deepEqual(
      gateways.findings().map(({ code, subject }) => [code, subject]),
      [["GATEWAY_UNHEARD", address]],
    );
    await gateways.announced(serving, never);
    assert.deepEqual(gateways.findings(), []);
  });
});
