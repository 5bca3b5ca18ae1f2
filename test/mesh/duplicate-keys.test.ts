import assert from "node:assert/strict";
import { test } from "node:test";
import { duplicateKeyIn } from "../../src/mesh/duplicate-keys.ts";

test("duplicateKeyIn() finds a name twice in one object, however it is written, and nowhere else", () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]}', undefined],
    ['{"a":1,"a":2}', "a"],
    ['{"x":{"a":1,"\\u0061":2}}', "a"],
    ['{"a":"b\\",\\"a\\":1","c":1}', undefined],
    ['{"a":{"b":1},"c":"{","a":1}', "a"],
    ['["a","a"]', undefined],
    ['{"":1,"":2}', ""],
    ['{"__proto__":1,"__proto__":2}', "__proto__"],
  ];
  for (const [text, found] of cases) assert.equal(duplicateKeyIn(text), found, text);
});
