import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { watchDisk } from "../../../../src/app/agent/files/disk-watch.ts";
import type { SnapshotStore } from "../../../../src/discovery/shards/snapshot-store.ts";
import { east, west } from "../../../discovery/support/made.ts";

const idle: SnapshotStore = {
  load: async () => undefined,
  save: async () => undefined,
  remove: async () => undefined,
  loadWriter: async () => undefined,
  saveWriter: async () => undefined,
};

test("watchDisk() looks at the folder itself, since nothing may be due", async () => {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-disk-"));
  const disk = watchDisk(dir, idle);
  await disk.look();
  assert.deepEqual(disk.findings(), []);
  await rm(dir, { recursive: true });
  await disk.look();
  assert.match(disk.findings()[0]?.message ?? "", /the folder: ENOENT/);
  await mkdir(dir);
  await disk.look();
  assert.deepEqual(disk.findings(), []);
  await rm(dir, { recursive: true });
});

test("watchDisk() tells what cannot be written until it can be again", async () => {
  let isFull = true;
  const write = async (): Promise<void> => {
    if (isFull) throw new Error("ENOSPC: no space left on device");
  };
  const store: SnapshotStore = { ...idle, save: write, remove: write, saveWriter: write };
  const disk = watchDisk("/var/lib/isthmus", store);
  assert.deepEqual(disk.findings(), []);
  const copy = {
    records: new Map(),
    head: { bytes: Buffer.alloc(0), signature: { bytes: Buffer.alloc(0), chain: [] } },
  };
  await assert.rejects(disk.snapshots.save(east, copy), /ENOSPC/);
  await assert.rejects(disk.snapshots.save(west, copy), /ENOSPC/);
  await assert.rejects(disk.watch("proofs.json", write()), /ENOSPC/);
  const [finding, ...more] = disk.findings();
  assert.equal(more.length, 0);
  assert.equal(finding?.code, "CATALOG_COPY_UNSAVED");
  assert.equal(finding?.subject, "/var/lib/isthmus");
  assert.match(finding?.message ?? "", /shard of east and 2 more: ENOSPC/);
  isFull = false;
  await disk.snapshots.save(east, copy);
  await disk.snapshots.save(west, copy);
  assert.equal(disk.findings().length, 1);
  await disk.watch("proofs.json", write());
  assert.deepEqual(disk.findings(), []);
});
