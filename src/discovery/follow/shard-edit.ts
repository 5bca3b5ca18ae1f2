import type { Buckets } from "../shards/buckets.ts";
import { parseRecordKey } from "../shards/record-key.ts";
import { maxRecordBytes } from "../shards/records.ts";
import type { LogEntry, RawRecords } from "../shards/store.ts";
import { ownCopies } from "./own-copies.ts";

const maxRecords = 100_000;
const maxShardBytes = 67_108_864;

/** Bounds what a hub can make this process hold. */
export function refusalOf(records: RawRecords): string | undefined {
  if (records.size > maxRecords) return `it has ${records.size} records`;
  let bytes = 0;
  for (const [key, record] of records) {
    bytes += record.length;
    if (record.length > maxRecordBytes) return `record ${key.slice(0, 200)} is too large`;
    if (parseRecordKey(key) === undefined) return "a key is not one of ours";
  }
  return bytes > maxShardBytes ? `it has ${bytes} bytes` : undefined;
}

/** Applies a change, into so many buckets from now on; returns how to take it back. */
export function applyDelta(
  buckets: Buckets,
  change: { readonly entry: LogEntry; readonly count: number },
): () => void {
  const { entry, count } = change;
  const keys = [...entry.changed.keys(), ...entry.removed];
  const before = new Map(keys.map((key) => [key, buckets.get(key)]));
  const countBefore = buckets.count();
  for (const [key, bytes] of ownCopies(entry.changed)) buckets.set(key, bytes);
  for (const key of entry.removed) buckets.delete(key);
  buckets.resize(count);
  return () => {
    for (const [key, bytes] of before) {
      if (bytes === undefined) buckets.delete(key);
      else buckets.set(key, bytes);
    }
    buckets.resize(countBefore);
  };
}

/** What must change to get from one content to the other. */
export function differenceOf(
  before: Buckets | undefined,
  after: Buckets,
): { readonly changed: readonly [string, Uint8Array][]; readonly removed: readonly string[] } {
  const changed = [...after.entries()].filter(([key, bytes]) => {
    const known = before?.get(key);
    return known === undefined || Buffer.compare(known, bytes) !== 0;
  });
  const known = before === undefined ? [] : [...before.entries()];
  const removed = known.flatMap(([key]) => (after.get(key) === undefined ? [key] : []));
  return { changed, removed };
}
