import assert from "node:assert/strict";
import { test } from "node:test";
import { visible, visibleJson } from "../../src/mesh/visible.ts";

test("visible() shows what would steer, reorder or hide text", () => {
  assert.equal(visible("\u001b[2Ja\u009bb"), "\\u{1b}[2Ja\\u{9b}b");
  assert.equal(visible("a\u202eb\u2066c"), "a\\u{202e}b\\u{2066}c");
  assert.equal(visible("a\nb\rc"), "a\\u{a}b\\u{d}c");
  assert.equal(visible("a\u2028b\u200bc"), "a\\u{2028}b\\u{200b}c");
  assert.equal(visible("a\ud800b"), "a\\u{d800}b");
  assert.equal(visible("naïve 日本"), "naïve 日本");
});

test("visible() bounds", () => {
  assert.equal(visible("x".repeat(500)).length, 201);
});

test("visibleJson() is harmless, and the same to programs", () => {
  const value = { a: ["\u001b[2J", "\u202e", "\u{e0001}", "\u2028", "ü"], "\u009b": 1 };
  const text = visibleJson(value);
  assert.deepEqual(JSON.parse(text), value);
  assert.doesNotMatch(text.replaceAll("\n", ""), /[\p{Cc}\p{Cf}\p{Zl}]/u);
});
