import assert from "node:assert/strict";
import { test } from "node:test";
import { watchDisk } from "../../../src/app/agent/disk-watch.ts";
import type { SnapshotStore } from "../../../src/discovery/shards/snapshot-store.ts";
import { east, west } from "../../discovery/support/made.ts";

test("watchDisk() tells what cannot be written until it can be again", async () => {
  let isFull = true;
  const write = async (): Promise<void> => {
    if (isFull) throw new Error("ENOSPC: no space left on device");
  };
  const store: SnapshotStore = {
    load: async () => undefined,
    save: write,
    remove: write,
    loadWriter: async () => undefined,
    saveWriter: write,
  };
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
