import assert from "node:assert/strict";
import { test } from "node:test";
import { linesOfPaths, readYaml } from "../../../../src/discovery/sources/yaml/yaml-reader.ts";

function lines(count: number, line: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => line(index)).join("\n");
}

// Each of these takes the full parser, or whoever walks its result, seconds to minutes.
const hostile: Readonly<Record<string, string>> = {
  "aliases that multiply": `a0: &a0 [x, x, x]\n${lines(20, (n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}, *a${n}]`)}`,
  "lists nested 20,000 deep": `a: ${"[".repeat(20_000)}`,
  "maps nested 20,000 deep": "{a: ".repeat(20_000),
  "dashes nested 20,000 deep": "- ".repeat(20_000),
  "explicit keys": "? ".repeat(500),
  "explicit keys within a list": `- ${"? ".repeat(500)}`,
  "70 kB that are not plain": `a: !!str ${"x".repeat(70_000)}`,
  "a key that stands twice": "a: &x 1\nb: 1\nb: 2",
  "a tab where blanks belong": "a:\n\tb: 1",
};
for (const [what, text] of Object.entries(hostile)) {
  test(`readYaml() refuses ${what}`, () => {
    assert.equal(readYaml(text).t, "invalid");
  });
}

test("readYaml() reads 2,000 keys of a document that only the full parser understands", () => {
  const reading = readYaml(`a: &x 1\n${lines(2_000, (index) => `k${index}: 1`)}`);
  assert.equal(reading.t, "value");
});

test("readYaml() keeps a key named __proto__ from becoming the prototype", () => {
  for (const text of ["__proto__: { polluted: true }", '{"__proto__": {"polluted": true}}']) {
    const reading = readYaml(text);
    assert.equal(reading.t, "value");
    const value = reading.t === "value" ? (reading.value as object) : {};
    assert.equal("polluted" in value, false, text);
    assert.equal("polluted" in {}, false, text);
  }
});

test("readYaml() says in which line the text stops being YAML", () => {
  const reading = readYaml("a: 1\nb: [1, 2\nc: 3\n");
  assert.deepEqual(reading.t === "invalid" ? reading.line : undefined, 3);
});

test("readYaml() reads merges and anchors as Kubernetes' tools do", () => {
  const reading = readYaml("base: &base { a: 1 }\nuse:\n  <<: *base\n  b: 2\n");
  assert.deepEqual(reading, { t: "value", value: { base: { a: 1 }, use: { a: 1, b: 2 } } });
});

test("readYaml() reads a JSON document", () => {
  assert.deepEqual(readYaml('{"a": [1, {"b": "c"}]}\n'), {
    t: "value",
    value: { a: [1, { b: "c" }] },
  });
});

test("linesOfPaths() names the line of each value and the nearest parent's for a missing one", () => {
  const text = "spec:\n  ports:\n    - name: http\n      port: 80\n    - name: grpc\n";
  const found = linesOfPaths(text, [
    ["spec", "ports", 0, "port"],
    ["spec", "ports", 1, "port"],
    ["metadata"],
  ]);
  assert.deepEqual(found, [4, 5, 1]);
});

test("linesOfPaths() names lines of a long document that is plain", () => {
  const long = lines(5_000, (index) => `k${index}: { a: 1 }`);
  assert.deepEqual(linesOfPaths(long, [["k4999", "a"]]), [5_000]);
});
