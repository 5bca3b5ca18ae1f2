import assert from "node:assert/strict";
import { test } from "node:test";
import { didYouMean, nearest } from "../../src/app/nearest.ts";

for (const [typed, expected] of [
  ["statsu", "status"],
  ["member", "members"],
  ["proxi list", "proxy list"],
  ["xyz", undefined],
  ["", undefined],
] as const) {
  test(`nearest("${typed}") is ${expected ?? "nothing"}`, () => {
    assert.equal(nearest(typed, ["status", "members", "proxy list", "check"]), expected);
  });
}

test("didYouMean() is empty when nothing is near", () => {
  assert.equal(didYouMean("zzz", ["status"]), "");
});
