import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { stringify } from "yaml";
import { agentConfigParser } from "../../../src/app/config/agent-config.ts";
import { parseConfig } from "../../../src/app/config/config-parser.ts";
import { sidecarConfigParser } from "../../../src/app/config/launcher-config.ts";

const runs = { numRuns: Number(process.env["FUZZ_RUNS"] ?? 500) };
const keys = [
  "mesh",
  "member",
  "trust",
  "dir",
  "catalog",
  "memory",
  "sources",
  "files",
  "listen",
  "name",
];

/** Documents of the right words in the wrong places. */
const documents = fc.letrec((tie) => ({
  node: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(null, true, 0, 15_012, "10s", "127.0.0.1:1", "./dir", "acme.mesh", "[::1]:2"),
    fc.array(tie("node"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...keys), tie("node"), { maxKeys: 5 }),
  ),
})).node;

test("parseConfig() answers any text with a configuration or with problems, and never throws", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        documents.map((node) => stringify(node)),
      ),
      (text) => {
        for (const parser of [agentConfigParser, sidecarConfigParser] as const) {
          const parsed = parseConfig(
            { file: "f", folder: "/", text },
            parser as typeof agentConfigParser,
          );
          if (parsed.t === "invalid") assert.ok(parsed.problems.length > 0);
          for (const { line } of parsed.t === "invalid" ? parsed.problems : []) {
            assert.ok(
              line >= 1 && line <= text.split("\n").length + 1,
              `${line} of ${JSON.stringify(text)}`,
            );
          }
        }
      },
    ),
    runs,
  );
});
