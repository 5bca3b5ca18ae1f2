import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseDocument } from "yaml";
import { readPlainYaml } from "../../../../src/discovery/sources/yaml/plain-yaml.ts";
import { fuzzRuns } from "../support/fuzz.ts";

/** What the full parser makes of a text; undefined where it finds a mistake. */
function fullReading(text: string): unknown {
  const document = parseDocument(text, { merge: true, stringKeys: true, logLevel: "silent" });
  return document.errors.length > 0 ? undefined : { value: document.toJS() as unknown };
}

const plainTexts = {
  "a Service": "apiVersion: v1\nkind: Service\nmetadata:\n  name: cart\n  labels: { app: cart }\n",
  "a list in its key's column": "ports:\n- name: http\n  port: 80\n- name: grpc\n  port: 81\n",
  "an indented list": "ports:\n  - name: http\n    port: 80\n",
  "a list of lists as flow": 'a: [[1, "2"], [x]]\n',
  "quoted scalars": 'a: "10"\nb: \'true\'\n"c": x\n',
  comments: "# top\na: 1 # one\n\n  # indented\nb: x#y\nc: # nothing\n",
  nulls: "a:\nb: null\nc: []\nd: {}\n",
  "an address": "a: 10.0.0.7\nb: [10.0.0.7]\n",
  "a time": "a: 2026-01-31T12:00:00Z\n",
  "escapes that JSON has": 'a: "{\\"b\\": \\"c\\\\d\\"}\\n" # x\n',
  "literal blocks":
    "a: |\n  x\n    y # z\n\n  # w\nb:\n  - |-\n    z\n\n  - c: |\n      d\n# end\n",
  "an item on its own line": "a:\n  -\n    b: 1\n  - c\n",
};
for (const [what, text] of Object.entries(plainTexts)) {
  test(`readPlainYaml() reads ${what} as the full parser does`, () => {
    const plain = readPlainYaml(text);
    assert.notEqual(plain, undefined);
    assert.deepEqual(plain, fullReading(text));
  });
}

const otherTexts = {
  anchors: "a: &x 1\nb: *x\n",
  tags: "a: !!str 1\n",
  "folded scalars": "a: >\n  text\n",
  "a literal block without a last line end": "a: |\n  text",
  "a literal block with an indented blank start": "a: |\n\n  text\n",
  "scalars of several lines": "a: one\n  two\n",
  "escapes that JSON does not have": 'a: "\\x41"\n',
  tabs: "a:\t1\n",
  "explicit keys": "? a\n: 1\n",
  "octal numbers": "a: 0o17\n",
  "leading zeros": "a: 017\n",
  fractions: "a: 1.5\n",
  "merge keys": "a:\n  <<: { b: 1 }\n",
  "the prototype": "__proto__: 1\n",
  "twin keys": "a: 1\na: 2\n",
  "a map in a plain value": "a: b: c\n",
  "an unclosed list": "a: [1\n",
};
for (const [what, text] of Object.entries(otherTexts)) {
  test(`readPlainYaml() leaves ${what} to the full parser`, () => {
    assert.equal(readPlainYaml(text), undefined);
  });
}

/** The parts of a text between broken bars; blanks count. */
function parts(text: string): string[] {
  return text.split("¦");
}

// Two generators: lines that are mostly right, and pieces of YAML's own syntax in any order.
const indents = parts("¦¦ ¦  ¦  ¦    ¦      ");
const dashes = parts("¦¦¦- ¦-  ¦-");
const keys = parts(`a: ¦b: ¦c:¦name: ¦'q':¦"d": ¦k.x/y: ¦¦a:b: `);
const values = [
  ...parts(`1¦x¦¦¦true¦null¦10.0.0.1¦[a, b]¦[]¦{}¦{x: 1, y: [z]}¦{ x: "a b" }¦"q"¦'s'¦a b¦a#b`),
  ...parts(`a # c¦# c¦"q" # c¦-5¦-0¦[ ]¦x:y¦http://a/b¦[1, "2", 'c', d e]¦{a: 1} # c¦a,b¦a]¦é¦-x`),
  ...parts(`2026-01-01T00:00:00Z¦[-1]¦[a-b]¦[10.0.0.1]¦{a: true}¦yes¦a  b¦x ¦[a , b]¦{a: b }¦[ a]`),
  ...parts(String.raw`"\""¦"a\\"¦"\n\t" # c¦"\x41"¦"\"¦"\/"¦["\""]`),
  ...parts("|¦|-¦|¦|¦|\n  x¦|-\n    y\n\n   z¦|\n      x  "),
  ...parts(`""¦''¦{'a': 1}¦[{}]¦[[]]¦[-]¦[.]¦[/a]¦1e3`),
];
const pieces = [
  ...parts(
    "abc¦key:¦key: ¦- ¦-¦: ¦:¦#¦ # c¦\n¦\n  ¦\n- ¦\n  - ¦  ¦[¦]¦{¦}¦,¦, ¦\"¦'¦true¦null¦~¦1¦-1¦017",
  ),
  ...parts(
    "1.5¦1e3¦0x1¦.5¦?¦? ¦&a ¦*a¦!t ¦<<: ¦__proto__: ¦10.0.0.7¦x y¦@¦`¦%¦>¦|¦\\¦.inf¦é¦...¦=¦1_0",
  ),
  ...parts("-0¦+1¦No¦TRUE"),
];
const line = fc
  .tuple(...[indents, dashes, keys, values].map((choices) => fc.constantFrom(...choices)))
  .map((chosen) => `${chosen.join("")}\n`);
const piece = fc.constantFrom(...pieces);
const text = fc.oneof(
  fc.array(line, { minLength: 1, maxLength: 6 }).map((lines) => lines.join("")),
  fc.array(piece, { maxLength: 24 }).map((chosen) => chosen.join("")),
);

test("readPlainYaml() never reads a text otherwise than the full parser", () => {
  let plain = 0;
  fc.assert(
    fc.property(text, (document) => {
      const reading = readPlainYaml(document);
      if (reading === undefined) return;
      plain += 1;
      assert.deepEqual(reading, fullReading(document));
    }),
    { numRuns: fuzzRuns(3000) },
  );
  assert.ok(plain > 0, "no generated text was plain, so nothing was compared");
});
