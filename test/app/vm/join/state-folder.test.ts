import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openStateFolder, writing } from "../../../../src/app/vm/join/state-folder.ts";
import { saveFile } from "../../../../src/trust/io/safe-files.ts";

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "isthmus-state-"));
});
after(() => rm(dir, { recursive: true }));

test("openStateFolder() makes a private folder, also of one that was open to others", async () => {
  const path = join(dir, "open");
  await mkdir(join(path, "svid"), { recursive: true, mode: 0o777 });
  await chmod(path, 0o777);
  await using folder = await openStateFolder(path);
  for (const one of [folder.dir, folder.identityDir]) {
    assert.equal((await stat(one)).mode & 0o777, 0o700);
  }
});

test("openStateFolder() gives a folder to one at a time, by whatever path, and again when that one is done", async () => {
  const path = join(dir, "one");
  const link = join(dir, "other-path");
  const first = await openStateFolder(path);
  await symlink(path, link);
  const taken = { code: "MESH_FOLDER_IN_USE", message: /another process .* --dir/ };
  await assert.rejects(openStateFolder(path), taken);
  await assert.rejects(openStateFolder(link), taken);
  await using other = await openStateFolder(join(dir, "two"));
  assert.ok(other.dir.endsWith("two"));
  await first[Symbol.asyncDispose]();
  await using again = await openStateFolder(path);
  assert.equal(again.dir, path);
});

test("openStateFolder() says what is in the way", async () => {
  const file = join(dir, "file");
  await writeFile(file, "");
  await assert.rejects(openStateFolder(file), { code: "MESH_FILE_UNWRITABLE", message: /a file/ });
  await assert.rejects(openStateFolder(join(file, "below")), { code: "MESH_FILE_UNWRITABLE" });
});

const isRoot = process.getuid?.() === 0;
test("a full disk is told, and what was there is whole", {
  skip: isRoot ? false : "only root may mount a small disk",
}, async () => {
  const disk = join(dir, "disk");
  await mkdir(disk);
  const words = ["-t", "tmpfs", "-o", "size=16k", "none", disk];
  assert.equal(spawnSync("mount", words).status, 0);
  try {
    const file = join(disk, "svid.key");
    await saveFile(file, "the key");
    const large = "x".repeat(100_000);
    await assert.rejects(
      writing(disk, () => saveFile(file, large)),
      { code: "MESH_FILE_UNWRITABLE", message: /the disk is full; nothing was replaced/ },
    );
    const { stdout } = spawnSync("cat", [file], { encoding: "utf8" });
    assert.equal(stdout, "the key");
    const left = spawnSync("ls", ["-A", disk], { encoding: "utf8" }).stdout;
    assert.equal(left, "svid.key\n", "nothing half written is left");
  } finally {
    spawnSync("umount", [disk]);
  }
});
