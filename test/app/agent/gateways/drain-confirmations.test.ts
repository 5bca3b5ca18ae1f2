import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { DrainConfirmations } from "../../../../src/app/agent/gateways/drain-confirmations.ts";
import type { MemberRecord } from "../../../../src/discovery/shards/records.ts";
import { parseMemberName } from "../../../../src/mesh/ids.ts";

const west = parseMemberName("west");

function record(draining: boolean): MemberRecord {
  const gateway = { host: "2001:db8::1", port: 15_443 };
  return {
    t: "member",
    software: "1",
    schemas: { min: 1, max: 1 },
    gateways: [{ ...gateway, ...(draining ? { draining: 7 } : {}) }],
  };
}

function openConfirmations(): {
  readonly confirmations: DrainConfirmations;
  readonly world: { record: MemberRecord; isBuilt: boolean; unanswered: Set<string>; told: number };
} {
  const world = { record: record(true), isBuilt: true, unanswered: new Set<string>(), told: 0 };
  const confirmations = new DrainConfirmations({
    members: () => [west],
    recordOf: () => world.record,
    isBuilt: () => world.isBuilt,
    unansweredBy: () => world.unanswered,
    onChange: () => {
      world.told += 1;
    },
  });
  return { confirmations, world };
}

suite("DrainConfirmations", () => {
  test("confirms when every proxy that had something to answer has answered", (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const { confirmations, world } = openConfirmations();
    using _ = confirmations;
    world.isBuilt = false;
    confirmations.refresh();
    t.mock.timers.tick(500);
    assert.deepEqual(confirmations.confirmed(), []);
    world.isBuilt = true;
    world.unanswered = new Set(["one", "two"]);
    t.mock.timers.tick(100);
    // One answers, and a third is busy with something newer, which holds this drain, too.
    world.unanswered = new Set(["two", "three"]);
    t.mock.timers.tick(50);
    assert.deepEqual(confirmations.confirmed(), []);
    world.unanswered = new Set(["three"]);
    t.mock.timers.tick(50);
    assert.deepEqual(confirmations.confirmed(), [
      { member: west, gateway: "[2001:db8::1]:15443", drain: 7 },
    ]);
    assert.equal(world.told, 1);
  });

  test("takes a confirmation back when the gateway stays", (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const { confirmations, world } = openConfirmations();
    using _ = confirmations;
    confirmations.refresh();
    t.mock.timers.tick(200);
    assert.equal(confirmations.confirmed().length, 1);
    world.record = record(false);
    confirmations.refresh();
    assert.deepEqual(confirmations.confirmed(), []);
    t.mock.timers.tick(500);
    assert.equal(world.told, 2);
  });

  test("a member that changes its mind all the time is answered twice a second", (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const { confirmations, world } = openConfirmations();
    using _ = confirmations;
    for (let turn = 0; turn < 50; turn += 1) {
      world.record = record(turn % 2 === 0);
      confirmations.refresh();
      t.mock.timers.tick(200);
    }
    assert.ok(world.told >= 10 && world.told <= 21, `${world.told} in ten seconds`);
  });
});
