import assert from "node:assert/strict";
import { test } from "node:test";
import { splitDocuments } from "../../../../src/discovery/sources/yaml/yaml-documents.ts";

function split(text: string): [number, string][] {
  return splitDocuments(text).map((document) => [document.line, document.text.trim()]);
}

test("splitDocuments() gives each document the line it starts in", () => {
  assert.deepEqual(split("a: 1\n---\nb: 2\nc: 3\n---\nd: 4\n"), [
    [1, "a: 1"],
    [2, "b: 2\nc: 3"],
    [5, "d: 4"],
  ]);
});

test("splitDocuments() leaves out documents without content", () => {
  assert.deepEqual(split("---\n# only a comment\n---\n\n---\n%YAML 1.2\n---\na: 1\n...\n"), [
    [7, "a: 1"],
  ]);
  assert.deepEqual(split(""), []);
  assert.deepEqual(split("# a comment\n\n".repeat(10_000)), []);
});

test("splitDocuments() takes a marker for one at the start of a line only", () => {
  assert.deepEqual(split("a: x---y\nb:\n  - ---\nc: ----\n"), [
    [1, "a: x---y\nb:\n  - ---\nc: ----"],
  ]);
});

test("splitDocuments() keeps what stands behind a marker in its line", () => {
  assert.deepEqual(split('--- {"a": 1}\n--- # next\nb: 2\n'), [
    [1, '{"a": 1}'],
    [2, "# next\nb: 2"],
  ]);
});

test("splitDocuments() reads files with Windows line ends and a byte order mark", () => {
  assert.deepEqual(split("\uFEFFa: 1\r\n---\r\nb: 2\r\n"), [
    [1, "a: 1"],
    [2, "b: 2"],
  ]);
});

test("splitDocuments() ends a document even inside an open quote, as YAML says", () => {
  assert.deepEqual(split('a: "open\n---\nb: 2\n'), [
    [1, 'a: "open'],
    [2, "b: 2"],
  ]);
});
