import assert from "node:assert/strict";
import { test } from "node:test";
import { FairLine } from "../../src/proxy/fair-line.ts";

function line(items: readonly string[], most = { inAll: 100, perLane: 50 }): FairLine<string> {
  const fair = new FairLine<string>(most);
  for (const [nowMs, item] of items.entries()) fair.enter(item, { lane: item[0] ?? "", nowMs });
  return fair;
}

function all(fair: FairLine<string>): readonly (string | undefined)[] {
  return Array.from({ length: fair.size }, () => fair.next());
}

test("one that comes after many of another identity waits for one of them", () => {
  assert.deepEqual(all(line(["a1", "a2", "a3", "b1"])), ["a1", "b1", "a2", "a3"]);
});

test("each identity is served in the order of arrival, and comes to an end", () => {
  const fair = line(["a1", "b1", "c1", "a2", "b2"]);
  assert.deepEqual(all(fair), ["a1", "b1", "c1", "a2", "b2"]);
  assert.equal(fair.next(), undefined);
});

test("whoever leaves is not served, and gives its place to another", () => {
  const fair = line(["a1", "a2"], { inAll: 2, perLane: 2 });
  assert.equal(fair.enter("b1", { lane: "b", nowMs: 9 }), false);
  fair.delete("a1");
  fair.delete("a1");
  assert.equal(fair.enter("b1", { lane: "b", nowMs: 9 }), true);
  assert.deepEqual(all(fair), ["a2", "b1"]);
});

test("one identity leaves room for others", () => {
  const fair = line(["a1", "a2", "a3", "b1"], { inAll: 4, perLane: 2 });
  assert.deepEqual(all(fair), ["a1", "b1", "a2"]);
});

test("those that have waited for long are named", () => {
  assert.deepEqual(line(["a1", "b1", "a2"]).waitingSince(1), ["a1", "b1"]);
});
