import assert from "node:assert/strict";
import { test } from "node:test";
import { Repeats } from "../../../../src/app/launcher/envoy/repeats.ts";

test("Repeats tells the first five of a kind, then one in fifteen with how many were left out", () => {
  const repeats = new Repeats();
  const told = Array.from({ length: 30 }, (_, index) =>
    repeats.take(`stream closed since ${index}s ago`, index * 1000),
  ).map((telling) => (telling.t === "tell" ? telling.suppressed : undefined));
  const heard = told.flatMap((suppressed, index) => (suppressed === undefined ? [] : [index + 1]));
  assert.deepEqual(heard, [1, 2, 3, 4, 5, 15, 30]);
  assert.deepEqual([told[14], told[29]], [9, 14]);
});

test("Repeats takes lines of a stack trace for one kind", () => {
  const repeats = new Repeats();
  const lines = ["#0 UNKNOWN [0x55e38c91c22c]", "Address mapping: 56072f901000-560733a67000 envoy"];
  const others = [
    "#0 UNKNOWN [0x56073302322c]",
    "Address mapping: 561b1a0ed000-561b1e253000 envoy",
  ];
  for (const line of lines) for (let count = 0; count < 5; count += 1) repeats.take(line, 0);
  assert.deepEqual(
    others.map((line) => repeats.take(line, 0).t),
    ["suppress", "suppress"],
  );
});

test("Repeats tells something else at once", () => {
  const repeats = new Repeats();
  for (let count = 0; count < 10; count += 1) repeats.take("stream closed", 0);
  assert.deepEqual(repeats.take("no healthy upstream", 0), { t: "tell", suppressed: 0 });
});

test("Repeats takes for news what was not said for five minutes", () => {
  const repeats = new Repeats();
  for (let count = 0; count < 10; count += 1) repeats.take("stream closed", 0);
  assert.equal(repeats.take("stream closed", 299_000).t, "suppress");
  assert.equal(repeats.take("stream closed", 600_000).t, "tell");
});

test("Repeats forgets the oldest kind when there are very many", () => {
  const repeats = new Repeats();
  for (let count = 0; count < 6; count += 1) repeats.take("oldest", 0);
  for (let kind = 0; kind < 200; kind += 1)
    repeats.take(`kind ${String.fromCodePoint(0x4e00 + kind)}`, 1);
  assert.equal(repeats.take("oldest", 2).t, "tell");
});
