import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldOf, mapIn, mapsIn, numberIn, textIn } from "../../src/mesh/json-map.ts";

test("fieldOf() finds own fields of maps alone, and __proto__ is one like others", () => {
  const document: unknown = JSON.parse('{"__proto__":1,"name":"cart"}');
  assert.equal(fieldOf(document, "name"), "cart");
  assert.equal(fieldOf(document, "__proto__"), 1);
  for (const absent of [
    fieldOf({}, "__proto__"),
    fieldOf({}, "toString"),
    fieldOf([1], "length"),
  ]) {
    assert.equal(absent, undefined);
  }
  for (const none of [null, undefined, "text", 7]) assert.equal(fieldOf(none, "length"), undefined);
});

test("readers of fields leave out what is of another type", () => {
  const map = { text: "a", number: 1, map: { b: 2 }, list: [{ c: 3 }, "d", null, []] };
  assert.deepEqual([textIn(map, "text"), textIn(map, "number")], ["a", undefined]);
  assert.deepEqual([numberIn(map, "number"), numberIn(map, "text")], [1, undefined]);
  assert.deepEqual([mapIn(map, "map"), mapIn(map, "list")], [{ b: 2 }, undefined]);
  assert.deepEqual([mapsIn(map, "list"), mapsIn(map, "map")], [[{ c: 3 }], []]);
});
