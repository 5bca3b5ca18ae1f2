import { hash } from "node:crypto";

/** Above this many records per bucket the number of buckets doubles, so that a change stays cheap. */
const maxRecordsPerBucket = 64;
/** 64 × 4,096 records: far above the largest shard that a reader takes. */
export const maxBuckets = 4096;
const sumBytes = 32;

/**
 * The content of a shard, hashed in buckets: a change costs one bucket, not the shard. The bucket of a
 * record is the first 4 bytes of SHA-256(key) modulo the number of buckets; a bucket hashes key and
 * bytes of its records, each with its length before it, in key order; the digest is SHA-256 over the
 * bucket hashes. Keys must be ASCII. Source:
 * docs/decisions/one-signature-per-shard.md
 */
export interface Buckets {
  readonly get: (key: string) => Uint8Array | undefined;
  readonly set: (key: string, bytes: Uint8Array) => void;
  readonly delete: (key: string) => void;
  readonly entries: () => IterableIterator<[string, Uint8Array]>;
  /** Records held. */
  readonly size: () => number;
  /** Present number of buckets, a power of two. */
  readonly count: () => number;
  /** Hex. */
  readonly digest: () => string;
  /** Hashes into so many buckets from now on; throws RangeError unless it is a power of two in bounds. */
  readonly resize: (count: number) => void;
}

interface Slot {
  readonly bytes: Uint8Array;
  readonly place: number;
}

export function createBuckets(records: Iterable<readonly [string, Uint8Array]> = []): Buckets {
  const slots = new Map<string, Slot>();
  for (const [key, bytes] of records) slots.set(key, { bytes, place: placeOf(key) });
  let buckets: Set<string>[] = [];
  // All bucket hashes in a row, so that the digest is one call however many there are.
  let sums = Buffer.alloc(0);
  const stale = new Set<number>();

  const touch = (place: number): Set<string> | undefined => {
    const index = place % buckets.length;
    stale.add(index);
    return buckets[index];
  };
  const resize = (count: number): void => {
    if (!isBucketCount(count)) throw new RangeError(`${count} is no number of buckets`);
    if (count === buckets.length) return;
    buckets = Array.from({ length: count }, () => new Set<string>());
    sums = Buffer.alloc(count * sumBytes);
    for (let index = 0; index < count; index += 1) stale.add(index);
    for (const index of stale) if (index >= count) stale.delete(index);
    for (const [key, slot] of slots) touch(slot.place)?.add(key);
  };
  resize(bucketsFor(slots.size));

  return {
    get: (key) => slots.get(key)?.bytes,
    set: (key, bytes) => {
      const place = slots.get(key)?.place ?? placeOf(key);
      slots.set(key, { bytes, place });
      touch(place)?.add(key);
    },
    delete: (key) => {
      const slot = slots.get(key);
      if (slot === undefined) return;
      slots.delete(key);
      touch(slot.place)?.delete(key);
    },
    *entries() {
      for (const [key, slot] of slots) yield [key, slot.bytes];
    },
    size: () => slots.size,
    count: () => buckets.length,
    digest: () => {
      for (const index of stale)
        hashBucket(buckets[index] ?? [], slots).copy(sums, index * sumBytes);
      stale.clear();
      return hash("sha256", sums, "hex");
    },
    resize,
  };
}

/** How many buckets a writer uses for so many records. */
export function bucketsFor(records: number): number {
  let count = 1;
  while (records > count * maxRecordsPerBucket && count < maxBuckets) count *= 2;
  return count;
}

export function isBucketCount(count: number): boolean {
  return Number.isInteger(Math.log2(count)) && count >= 1 && count <= maxBuckets;
}

function placeOf(key: string): number {
  return hash("sha256", key, "buffer").readUInt32BE(0);
}

function hashBucket(keys: Iterable<string>, slots: ReadonlyMap<string, Slot>): Buffer {
  const records = [...keys].sort().map((key) => [key, slots.get(key)?.bytes ?? empty] as const);
  let length = 0;
  for (const [key, bytes] of records) length += 8 + key.length + bytes.length;
  // One call: calls into the hash cost more than copying some hundred bytes for each record.
  const framed = Buffer.allocUnsafe(length);
  let at = 0;
  for (const [key, bytes] of records) {
    at = framed.writeUInt32BE(key.length, at);
    at += framed.write(key, at, "latin1");
    at = framed.writeUInt32BE(bytes.length, at);
    framed.set(bytes, at);
    at += bytes.length;
  }
  return hash("sha256", framed, "buffer");
}

const empty = new Uint8Array();
