import assert from "node:assert/strict";
import { test } from "node:test";
import { GoneNames } from "../../src/xds/gone-names.ts";

function goneWith(...names: readonly string[]): GoneNames {
  const gone = new GoneNames();
  for (const name of names) gone.add(name);
  return gone;
}

test("a name is due at its time and no sooner, and until it is deleted", () => {
  const gone = goneWith("a");
  assert.equal(gone.earliestMs, undefined);
  assert.deepEqual(gone.due(1000, 10), []);
  gone.schedule(500);
  assert.equal(gone.earliestMs, 500);
  assert.deepEqual(gone.due(499, 10), []);
  assert.deepEqual(gone.due(500, 10), ["a"]);
  assert.deepEqual(gone.due(500, 10), ["a"]);
  gone.delete("a");
  assert.deepEqual([gone.size, gone.earliestMs], [0, undefined]);
});

test("schedule() and add() leave the time of a name that has one", () => {
  const gone = goneWith("a");
  gone.schedule(500);
  gone.add("a");
  gone.add("b");
  gone.schedule(900);
  assert.deepEqual(gone.due(500, 10), ["a"]);
  assert.deepEqual(gone.due(900, 10), ["a", "b"]);
});

test("restart() takes a name's time, and adds none", () => {
  const gone = goneWith("a");
  gone.schedule(500);
  gone.restart("a");
  gone.restart("b");
  assert.deepEqual([[...gone.names()], gone.earliestMs], [["a"], undefined]);
});

test("due() ends with the name that exceeds the bytes asked for", () => {
  const gone = goneWith("aaaa", "bbbb", "cccc");
  gone.schedule(0);
  assert.deepEqual(gone.due(0, 5), ["aaaa", "bbbb"]);
});
