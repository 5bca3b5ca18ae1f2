import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { version } from "../../src/app/version.ts";

test("version is that of package.json", () => {
  const file = JSON.parse(readFileSync("package.json", "utf8")) as { readonly version: string };
  assert.equal(version, file.version);
});
