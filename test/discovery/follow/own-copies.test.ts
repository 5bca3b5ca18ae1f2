import assert from "node:assert/strict";
import { test } from "node:test";
import { ownCopies } from "../../../src/discovery/follow/own-copies.ts";

test("ownCopies() gives records the same bytes in memory that holds nothing else", () => {
  const read = Buffer.alloc(65_536, "x");
  const records = new Map<string, Uint8Array>([
    ["service/shop/cart", read.subarray(10, 14)],
    ["service/shop/none", read.subarray(0, 0)],
    ["member", read.subarray(100, 107)],
  ]);
  const copies = ownCopies(records);
  assert.deepEqual(
    copies.map(([key, bytes]) => [key, String(bytes)]),
    [
      ["service/shop/cart", "xxxx"],
      ["service/shop/none", ""],
      ["member", "xxxxxxx"],
    ],
  );
  assert.deepEqual(
    copies.map(([, bytes]) => bytes.buffer.byteLength),
    [11, 11, 11],
  );
});
