import assert from "node:assert/strict";
import { test } from "node:test";
import {
  latestOf,
  opinionIn,
  slotRangesIn,
} from "../../../../../../src/discovery/io/catalog/redis/link/topology.ts";

const asked = { host: "10.0.0.9", port: 7000 };
const bytes = (...texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text));

test("opinionIn() reads strings and bytes, and numbers that are missing count as 0", () => {
  const fields = ["name", "mesh", "ip", "10.0.0.1", "port", "6379", "config-epoch", "4"];
  const expected = {
    master: { host: "10.0.0.1", port: 6379 },
    epoch: 4,
    otherSentinels: 0,
    quorum: 0,
  };
  assert.deepEqual(opinionIn(fields), expected);
  assert.deepEqual(opinionIn(bytes(...fields)), expected);
});

for (const [what, reply] of [
  ["no list", Buffer.from("ip")],
  ["an empty list", []],
  ["no address", ["ip", "", "port", "6379"]],
  ["port 0", ["ip", "10.0.0.1", "port", "0"]],
  ["a name that cannot be one", ["ip", "a b/c", "port", "6379"]],
] as const) {
  test(`opinionIn() takes ${what} for no opinion`, () => {
    assert.equal(opinionIn(reply), undefined);
  });
}

test("latestOf() takes the word of the latest election, wherever it stands", () => {
  const [old, latest] = [{ epoch: 3 }, { epoch: 7 }];
  assert.equal(latestOf([old, latest, old]), latest);
  assert.equal(latestOf([]), undefined);
});

test("slotRangesIn() takes an empty or unknown host for the node that was asked", () => {
  const nodes = [
    [Buffer.from(""), 7001],
    [null, 7002],
    [Buffer.from("?"), 7003],
    [Buffer.from("redis-4.local"), 7004],
  ];
  assert.deepEqual(slotRangesIn([[0, 16_383, ...nodes]], asked), [
    {
      from: 0,
      to: 16_383,
      nodes: [
        { host: "10.0.0.9", port: 7001 },
        { host: "10.0.0.9", port: 7002 },
        { host: "10.0.0.9", port: 7003 },
        { host: "redis-4.local", port: 7004 },
      ],
    },
  ]);
});

test("slotRangesIn() leaves out what is no range and no address", () => {
  const reply = [7, ["a", "b"], [1, 2, 3, [Buffer.from("10.0.0.1"), 99_999]]];
  assert.deepEqual(slotRangesIn(reply, asked), [{ from: 1, to: 2, nodes: [] }]);
  assert.deepEqual(slotRangesIn(Buffer.from("junk"), asked), []);
});
