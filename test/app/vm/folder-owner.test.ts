import assert from "node:assert/strict";
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { checkOwner } from "../../../src/app/vm/folder-owner.ts";
import { run } from "../../system/program.ts";

// As the unit has: a user that is neither root nor this one.
const unitUid = 65_534;
const isRoot = process.getuid?.() === 0;
const onlyRoot = { skip: isRoot ? false : "only root may give a folder away" };

async function ownFolder(): Promise<{ readonly dir: string } & AsyncDisposable> {
  const base = await mkdtemp(join(tmpdir(), "isthmus-owner-"));
  const dir = join(base, "state");
  await mkdir(join(dir, "svid"), { recursive: true, mode: 0o700 });
  await chmod(base, 0o755);
  return { dir, [Symbol.asyncDispose]: () => rm(base, { recursive: true }) };
}

test("checkOwner() lets the owner in, and whoever makes the folder", async () => {
  await using own = await ownFolder();
  await checkOwner(own.dir);
  await checkOwner(join(own.dir, "not-yet"));
});

test("isthmus vm join refuses root a folder of the unit's user", onlyRoot, async () => {
  await using own = await ownFolder();
  await chown(own.dir, unitUid, unitUid);
  const words = ["vm", "join", "--agent", "127.0.0.1:9", "--dir", own.dir, "--name", "vm-1"];
  const { code, err } = await run(words, own.dir);
  assert.equal(code, 1);
  assert.match(err, /belongs to another user \(uid 65534\).*systemctl restart isthmus-vm/);
  assert.match(err, /MESH_FILE_UNWRITABLE/);
});

test(
  "isthmus vm doctor looks as the folder's owner, also when root runs it",
  onlyRoot,
  async () => {
    await using own = await ownFolder();
    const key = join(own.dir, "svid/instance.key");
    await writeFile(key, "x", { mode: 0o600 });
    for (const path of [own.dir, join(own.dir, "svid"), key]) await chown(path, unitUid, unitUid);
    const { out } = await run(["vm", "doctor", "--dir", own.dir, "--json"], tmpdir());
    const { diagnoses } = JSON.parse(out) as {
      readonly diagnoses: readonly { code: string; state: string; subject: string }[];
    };
    const looked = diagnoses.find(({ subject }) => subject === join(own.dir, "svid"));
    assert.deepEqual([looked?.code, looked?.state], ["VM_FILES", "ok"]);
  },
);
