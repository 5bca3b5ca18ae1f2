import assert from "node:assert/strict";
import { test } from "node:test";
import { isCut, type Sample, tallyOf } from "../../../src/app/demo/samples.ts";
import { parseMemberName } from "../../../src/mesh/ids.ts";

const east = parseMemberName("east");
const west = parseMemberName("west");
const fault = {
  atMs: 1000,
  untilMs: 9000,
  member: east,
  service: "cart",
  at: "workloads",
  cuts: true,
} as const;

function sample(over: Partial<Sample> & Pick<Sample, "startMs">): Sample {
  return {
    caller: east,
    service: "cart",
    endMs: over.startMs + 5,
    connection: { openedMs: 0, lastServedBy: east },
    ...over,
  };
}

test("isCut() is true for a failure on an old connection to the faulty member", () => {
  assert.ok(isCut(sample({ startMs: 990, failure: "reset" }), fault));
});

for (const [why, given] of [
  ["that succeeded", sample({ startMs: 990, servedBy: east })],
  [
    "on a connection to another member",
    sample({ startMs: 990, connection: { openedMs: 0, lastServedBy: west } }),
  ],
  [
    "on a connection opened after the fault",
    sample({ startMs: 1100, connection: { openedMs: 1050 } }),
  ],
] as const) {
  test(`isCut() is false for a request ${why}`, () => assert.ok(!isCut(given, fault)));
}

test("isCut() is false when the phase ends no connection", () => {
  assert.ok(!isCut(sample({ startMs: 990 }), { ...fault, cuts: false }));
});

test("isCut() is false for a gateway's own callers, who reach their workloads without it", () => {
  const reset = sample({ startMs: 990, failure: "reset" });
  assert.ok(!isCut(reset, { ...fault, at: "gateway" }));
  assert.ok(isCut({ ...reset, caller: west }, { ...fault, at: "gateway" }));
});

test("tallyOf() counts answers, failures and cuts apart", () => {
  const tally = tallyOf(
    [
      sample({ startMs: 900, servedBy: east }),
      sample({ startMs: 990 }),
      sample({ startMs: 1100, connection: { openedMs: 1100 } }),
      sample({ startMs: 1200, servedBy: west, connection: { openedMs: 1200 } }),
    ],
    { fault },
  );
  assert.deepEqual(
    { requests: tally.requests, failed: tally.failed, cut: tally.cut, servedBy: tally.servedBy },
    { requests: 4, failed: 1, cut: 1, servedBy: { east: 1, west: 1 } },
  );
  assert.equal(tally.lastFailureMs, 100);
});

test("tallyOf() says traffic moved at the first answer after which the faulty member served nobody", () => {
  const tally = tallyOf(
    [
      sample({ startMs: 900, servedBy: east }),
      sample({ startMs: 1010, servedBy: west }),
      sample({ startMs: 1020, servedBy: east }),
      sample({ startMs: 1030, servedBy: west }),
      sample({ startMs: 1040, servedBy: west }),
    ],
    { fault },
  );
  assert.equal(tally.movedMs, 35);
});

test("tallyOf() learns from what came before whose traffic the fault hits", () => {
  const before = [sample({ startMs: 900, servedBy: east })];
  const moved = [sample({ startMs: 1010, servedBy: west })];
  assert.equal(tallyOf(moved, { fault }).movedMs, undefined);
  assert.equal(tallyOf(moved, { fault, before }).movedMs, 15);
});

test("tallyOf() ignores what came back after the fault was undone", () => {
  const tally = tallyOf(
    [
      sample({ startMs: 900, servedBy: east }),
      sample({ startMs: 1010, servedBy: west }),
      sample({ startMs: 9100, servedBy: east }),
    ],
    { fault },
  );
  assert.equal(tally.movedMs, 15);
});

test("tallyOf() says nothing of movement when nobody was served by the faulty member", () => {
  assert.equal(tallyOf([sample({ startMs: 1100, servedBy: west })], { fault }).movedMs, undefined);
});

test("tallyOf() of nothing is all zeros", () => {
  const tally = tallyOf([]);
  assert.deepEqual([tally.requests, tally.failed, tally.cut, tally.p50Ms], [0, 0, 0, 0]);
});
