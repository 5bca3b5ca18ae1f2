// Keeps the ways that the documents show: what they name is there.
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path/posix";
import { test } from "node:test";

const pages = [...globSync("*.md"), ...globSync("docs/**/*.md")];

for (const page of pages) {
  const text = readFileSync(page, "utf8");

  test(`${page} links only to what exists`, () => {
    const targets = [...text.matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)].map(([, to = ""]) => to);
    const missing = targets.filter((to) => !existsSync(join(dirname(page), to)));
    assert.deepEqual(missing, []);
  });

  test(`${page} names only files of ours that exist`, () => {
    const named = [...text.matchAll(/`((?:src|test|bench|docs)\/[\w./-]+)`/g)];
    const missing = named.map(([, path = ""]) => path).filter((path) => !existsSync(path));
    assert.deepEqual(missing, []);
  });
}

test("ARCHITECTURE.md draws only what exists", () => {
  const rooms = globSync("*", { cwd: "src" }).join("|");
  const text = readFileSync("ARCHITECTURE.md", "utf8");
  const drawn = [...text.matchAll(new RegExp(`(?<![\\w/])(?:${rooms})/[\\w/-]+`, "g"))].map(String);
  assert.ok(drawn.length > 0);
  const missing = drawn.filter(
    (path) => !existsSync(`src/${path}`) && !existsSync(`src/${path}.ts`),
  );
  assert.deepEqual(missing, []);
});

test("docs/decisions/README.md leads to every decision", () => {
  const index = readFileSync("docs/decisions/README.md", "utf8");
  const decisions = globSync("*.md", { cwd: "docs/decisions" }).filter(
    (name) => name !== "README.md",
  );
  assert.deepEqual(
    decisions.filter((name) => !index.includes(`](${name})`)),
    [],
  );
});

test("comments name only documents that exist", () => {
  const sources = globSync("{src,test,bench}/**/*.ts", { exclude: ["src/xds/gen/**"] });
  const missing = sources.flatMap((file) =>
    [...readFileSync(file, "utf8").matchAll(/\bdocs\/[\w/-]+\.md\b/g)]
      .filter(([path]) => !existsSync(path))
      .map(([path]) => `${file}: ${path}`),
  );
  assert.deepEqual(missing, []);
});
