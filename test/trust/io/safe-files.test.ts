import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import { Secret } from "../../../src/mesh/secret.ts";
import { readKeyFile, readText, saveFile } from "../../../src/trust/io/safe-files.ts";
import { tempFolder } from "./folder.ts";

const unsafe = { code: "MESH_TRUST_KEY_FILE_UNSAFE" };
// Any POSIX system has it.
const mkfifo = "mkfifo";
const unreadable = { code: "MESH_FILE_UNREADABLE" };

test("saveFile() replaces a file whole and gives secrets 0600", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "key");
  await writeFile(path, "old and much longer", { mode: 0o644 });
  await saveFile(path, new Secret("new"));
  assert.equal(await readFile(path, "utf8"), "new");
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(folder.path), ["key"]);
});

test("saveFile() leaves nothing behind when it fails", async () => {
  await using folder = await tempFolder();
  await mkdir(join(folder.path, "taken"));
  await assert.rejects(saveFile(join(folder.path, "taken"), new Secret("new")));
  assert.deepEqual(await readdir(folder.path), ["taken"]);
});

test("readKeyFile() gives a secret that never prints itself", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "key");
  await saveFile(path, new Secret("hush"));
  const key = await readKeyFile(path);
  assert.equal(key.reveal(), "hush");
  assert.ok(![String(key), JSON.stringify({ key }), inspect(key)].join(" ").includes("hush"));
});

test("readKeyFile() follows links inside the folder, as in a Kubernetes volume, and no others", async () => {
  await using folder = await tempFolder();
  const at = (name: string): string => join(folder.path, name);
  await mkdir(at("volume"));
  await mkdir(at("volume/..2026"));
  await saveFile(at("volume/..2026/key"), new Secret("inside"));
  await saveFile(at("outside"), new Secret("outside"));
  await symlink("..2026", at("volume/..data"));
  await symlink("..data/key", at("volume/key"));
  await symlink("../outside", at("volume/other"));
  await chmod(at("volume"), 0o1777);
  assert.equal((await readKeyFile(at("volume/key"))).reveal(), "inside");
  await assert.rejects(readKeyFile(at("volume/other")), unsafe);
});

test("readKeyFile() refuses keys that others can read or replace", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "key");
  await saveFile(path, new Secret("hush"));
  for (const mode of [0o640, 0o604, 0o620, 0o602]) {
    await chmod(path, mode);
    await assert.rejects(readKeyFile(path), unsafe, mode.toString(8));
  }
  await chmod(path, 0o400);
  await readKeyFile(path);
  for (const mode of [0o770, 0o707]) {
    await chmod(folder.path, mode);
    await assert.rejects(readKeyFile(path), unsafe, mode.toString(8));
  }
});

test("readText() refuses folders, pipes, large files and nothing", async () => {
  await using folder = await tempFolder();
  const at = (name: string): string => join(folder.path, name);
  await writeFile(at("large"), Buffer.alloc(5 * 1024 * 1024));
  assert.equal(spawnSync(mkfifo, [at("pipe")]).status, 0);
  for (const path of [folder.path, at("pipe"), at("large"), at("nothing")]) {
    await assert.rejects(readText(path), unreadable, path);
    await assert.rejects(readKeyFile(path === folder.path ? at("nothing") : path));
  }
});
