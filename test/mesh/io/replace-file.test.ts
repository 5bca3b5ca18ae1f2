import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { replaceFile } from "../../../src/mesh/io/replace-file.ts";

async function inFolder(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-replace-"));
  try {
    await run(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

test("replaceFile() replaces a file whole, and its mode with it", () =>
  inFolder(async (dir) => {
    const path = join(dir, "state.json");
    await writeFile(path, "old and much longer", { mode: 0o644 });
    await replaceFile(path, { text: "new", mode: 0o600 });
    assert.equal(await readFile(path, "utf8"), "new");
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(dir), ["state.json"]);
  }));

test("replaceFile() takes away what dead processes left of this file, and nothing else", () =>
  inFolder(async (dir) => {
    await writeFile(join(dir, ".state.json.1.7.tmp"), "half");
    await writeFile(join(dir, ".other.json.1.7.tmp"), "of another file");
    await replaceFile(join(dir, "state.json"), { text: "whole", mode: 0o600 });
    assert.deepEqual((await readdir(dir)).toSorted(), [".other.json.1.7.tmp", "state.json"]);
  }));

test("replaceFile() keeps apart two writes of one file at a time", () =>
  inFolder(async (dir) => {
    const path = join(dir, "state.json");
    const texts = ["a".repeat(100_000), "b".repeat(100_000)];
    await Promise.all(texts.map((text) => replaceFile(path, { text, mode: 0o600 })));
    assert.ok(texts.includes(await readFile(path, "utf8")));
    assert.deepEqual(await readdir(dir), ["state.json"]);
  }));

test("replaceFile() leaves nothing behind when it fails", () =>
  inFolder(async (dir) => {
    await mkdir(join(dir, "taken"));
    await assert.rejects(replaceFile(join(dir, "taken"), { text: "new", mode: 0o600 }));
    assert.deepEqual(await readdir(dir), ["taken"]);
  }));
