import assert from "node:assert/strict";
import { test } from "node:test";
import { LastWords } from "../../../../src/app/launcher/envoy/last-words.ts";

test("LastWords keeps the first of the errors that came right before the end", () => {
  const words = new LastWords();
  words.note("upstream lost", 0);
  words.note("assert failure", 50_000);
  words.note("#0 0x55e3", 50_001);
  assert.equal(words.take(50_010), "assert failure");
});

test("LastWords takes nothing said long before the end for its reason", () => {
  const words = new LastWords();
  words.note("upstream lost", 0);
  assert.equal(words.take(5_000), undefined);
});

test("LastWords keeps nothing of one run for the next", () => {
  const words = new LastWords();
  words.note("assert failure", 0);
  words.take(1);
  assert.equal(words.take(2), undefined);
  words.note("another", 3);
  assert.equal(words.take(4), "another");
});

test("LastWords bounds what a run may say", () => {
  const words = new LastWords();
  words.note("x".repeat(10_000), 0);
  assert.equal(words.take(1)?.length, 300);
});
