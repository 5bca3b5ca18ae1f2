import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { diagnosisCodes } from "../../src/app/vm/doctor/diagnosis.ts";
import { errorCodes } from "../../src/mesh/errors.ts";

const errors = readFileSync("docs/errors.md", "utf8");
const sources = readFileSync("docs/sources.md", "utf8");

/** First cells of the tables of a page, with the number of cells of their rows. */
function rowsOf(page: string): ReadonlyMap<string, number> {
  const rows = [...page.matchAll(/^\| `([A-Z_]+)` \|(.*)\|$/gm)];
  return new Map(rows.map(([, code = "", rest = ""]) => [code, rest.split("|").length + 1]));
}

const findingCodes = new Set(
  globSync("src/**/*.ts", { exclude: ["src/xds/gen/**"] }).flatMap((file) =>
    [
      ...readFileSync(file, "utf8").matchAll(
        /"((?:SOURCE|CATALOG|TRUST|GATEWAY|PROXY|CONFIG|HUB|IMPORT|EXPORT|FEDERATION|REGISTRATION|MCS|KUBERNETES(?!_SERVICE_))_[A-Z_]+)"/g,
      ),
    ].map(([, code = ""]) => code),
  ),
);

test("docs/errors.md explains every error code: meaning, retry, what to do", () => {
  const rows = rowsOf(errors);
  for (const code of errorCodes) assert.equal(rows.get(code), 4, code);
});

test("docs explain every finding code that the sources contain", () => {
  const rows = rowsOf(errors);
  for (const code of findingCodes) {
    if (code.startsWith("SOURCE_")) assert.match(sources, new RegExp(`\`${code}\``), code);
    else assert.equal(rows.get(code), 4, code);
  }
});

test("docs/errors.md says of each diagnosis of a VM what is looked at, and when it is an error", () => {
  const rows = rowsOf(errors);
  for (const code of diagnosisCodes) assert.equal(rows.get(code), 3, code);
});

test("docs/errors.md explains nothing that does not exist", () => {
  const known = new Set<string>([...errorCodes, ...findingCodes, ...diagnosisCodes]);
  assert.deepEqual(
    [...rowsOf(errors).keys()].filter((code) => !known.has(code)),
    [],
  );
});
