import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openSnapshotDir } from "../../../../src/discovery/io/catalog/snapshot-dir.ts";
import type { ShardCopy } from "../../../../src/discovery/shards/snapshot-store.ts";
import { east, silentLog, west } from "../../support/made.ts";

const copy: ShardCopy = {
  records: new Map([
    ["member", Buffer.from("{}")],
    ["service/shop/cart", Buffer.from([0, 255, 128, 10])],
  ]),
  head: {
    bytes: Buffer.from("head"),
    signature: { bytes: Buffer.from("sig"), chain: [Buffer.from("leaf"), Buffer.from("issuer")] },
  },
};

async function inFolder(run: (dir: string) => Promise<void>): Promise<void> {
  const parent = await mkdtemp(join(tmpdir(), "isthmus-snapshots-"));
  try {
    await run(join(parent, "state"));
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
}

function plain(held: ShardCopy | undefined): unknown {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  return (
    held && [
      [...held.records].map(([key, bytes]) => [key, hex(bytes)]),
      hex(held.head.bytes),
      hex(held.head.signature.bytes),
      held.head.signature.chain.map(hex),
    ]
  );
}

test("a copy is read back byte for byte by the next process", () =>
  inFolder(async (dir) => {
    await (await openSnapshotDir(dir, silentLog)).save(east, copy);
    const next = await openSnapshotDir(dir, silentLog);
    assert.deepEqual(plain(await next.load(east)), plain(copy));
    assert.equal(await next.load(west), undefined);
  }));

test("copies are unreadable to other users and leave nothing half-written beside them", () =>
  inFolder(async (dir) => {
    const store = await openSnapshotDir(dir, silentLog);
    await store.save(east, copy);
    await store.saveWriter({ instance: "i", epoch: 7 });
    assert.deepEqual((await readdir(dir)).toSorted(), ["east.shard.json", "writer.json"]);
    assert.equal((await stat(dir)).mode & 0o777, 0o700);
    for (const name of await readdir(dir)) {
      assert.equal((await stat(join(dir, name))).mode & 0o777, 0o600);
    }
  }));

test("what a crash left beside a copy does not hinder the next write", () =>
  inFolder(async (dir) => {
    const store = await openSnapshotDir(dir, silentLog);
    await writeFile(join(dir, ".east.shard.json.1.1.tmp"), "half");
    await store.save(east, copy);
    assert.deepEqual(await readdir(dir), ["east.shard.json"]);
  }));

test("a later copy replaces the earlier one, and a removed one is gone", () =>
  inFolder(async (dir) => {
    const store = await openSnapshotDir(dir, silentLog);
    await store.save(east, copy);
    await store.save(east, { ...copy, records: new Map() });
    assert.equal((await store.load(east))?.records.size, 0);
    await store.remove(east);
    await store.remove(east);
    assert.equal(await store.load(east), undefined);
  }));

test("what the writer remembers survives the process", () =>
  inFolder(async (dir) => {
    const store = await openSnapshotDir(dir, silentLog);
    assert.equal(await store.loadWriter(), undefined);
    await store.saveWriter({ instance: "i-1", epoch: 1_790_000_000_000 });
    const next = await openSnapshotDir(dir, silentLog);
    assert.deepEqual(await next.loadWriter(), { instance: "i-1", epoch: 1_790_000_000_000 });
  }));

for (const junk of [
  "",
  "null",
  "[]",
  "{",
  '{"head":1}',
  '{"head":"","signature":"","chain":"x","records":[]}',
  '{"head":"","signature":"","chain":[],"records":[["a"]]}',
  '{"head":"","signature":"","chain":[],"records":[7]}',
]) {
  test(`a file with ${JSON.stringify(junk)} counts as no copy and is reported`, () =>
    inFolder(async (dir) => {
      const warnings: object[] = [];
      const log = { ...silentLog, warn: (fields: object) => void warnings.push(fields) };
      const store = await openSnapshotDir(dir, log);
      await writeFile(join(dir, "east.shard.json"), junk);
      assert.equal(await store.load(east), undefined);
      assert.equal(warnings.length, 1);
    }));
}

test("a folder that cannot be made is named", async () => {
  await assert.rejects(openSnapshotDir("/dev/null/state", silentLog), {
    code: "MESH_FILE_UNREADABLE",
    message: /"\/dev\/null\/state"/,
  });
});
