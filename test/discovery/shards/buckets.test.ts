import assert from "node:assert/strict";
import { createHash, hash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { bucketsFor, createBuckets, maxBuckets } from "../../../src/discovery/shards/buckets.ts";

const records = fc.dictionary(
  fc.stringMatching(/^[a-z][a-z0-9/]{0,12}$/),
  fc.uint8Array({ maxLength: 20 }),
  { maxKeys: 200 },
);

/** The definition of docs/decisions/one-signature-per-shard.md, written down without any of the shortcuts. */
function plainDigest(content: ReadonlyMap<string, Uint8Array>, count: number): string {
  const sums = Array.from({ length: count }, () => createHash("sha256"));
  const keys = [...content.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const key of keys) {
    const place = hash("sha256", key, "buffer").readUInt32BE(0) % count;
    for (const part of [Buffer.from(key), content.get(key) ?? Buffer.alloc(0)]) {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(part.length);
      sums[place]?.update(length).update(part);
    }
  }
  const all = createHash("sha256");
  for (const sum of sums) all.update(sum.digest());
  return all.digest("hex");
}

test("digest() is the one that the design defines, for any content and number of buckets", () => {
  fc.assert(
    fc.property(records, fc.constantFrom(1, 2, 8, 64), (content, count) => {
      const map = new Map(Object.entries(content));
      const buckets = createBuckets(map);
      buckets.resize(count);
      assert.equal(buckets.digest(), plainDigest(map, count));
    }),
    { numRuns: 100 },
  );
});

test("digest() after changes equals that of the same content made at once", () => {
  fc.assert(
    fc.property(records, records, (before, after) => {
      const changed = createBuckets(Object.entries(before));
      changed.digest();
      for (const key of Object.keys(before)) if (!(key in after)) changed.delete(key);
      for (const [key, bytes] of Object.entries(after)) changed.set(key, bytes);
      const fresh = createBuckets(Object.entries(after));
      changed.resize(fresh.count());
      assert.equal(changed.digest(), fresh.digest());
      assert.equal(changed.size(), Object.keys(after).length);
    }),
    { numRuns: 100 },
  );
});

test("digest() tells apart contents whose bytes are the same in a row", () => {
  const one = createBuckets([["a", Buffer.from("bc")]]);
  const other = createBuckets([["ab", Buffer.from("c")]]);
  assert.notEqual(one.digest(), other.digest());
});

test("bucketsFor() doubles above 64 records a bucket and stops at the bound", () => {
  assert.deepEqual([0, 1, 64, 65, 128, 129, 5000].map(bucketsFor), [1, 1, 1, 2, 2, 4, 128]);
  assert.equal(bucketsFor(10_000_000), maxBuckets);
});

test("resize() refuses what is no power of two in bounds", () => {
  const buckets = createBuckets();
  for (const count of [0, 3, -2, 1.5, maxBuckets * 2, Number.NaN]) {
    assert.throws(() => buckets.resize(count), RangeError);
  }
});
