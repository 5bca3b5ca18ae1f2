import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import {
  chainIdOf,
  decodeCharter,
  decodeEntry,
  decodeStoredHead,
  encodeCharter,
  encodeHead,
  encodePosition,
  entryHeadParts,
  maxEntryItems,
  packItems,
  unpackItems,
} from "../../../../../src/discovery/io/catalog/redis/codec.ts";
import type { SignedHead } from "../../../../../src/discovery/shards/store.ts";

const bytes = fc.uint8Array({ maxLength: 50 });

function hex(list: readonly Uint8Array[] | undefined): readonly string[] | undefined {
  return list?.map((one) => Buffer.from(one).toString("hex"));
}

/** As the write script puts it together. */
function entryHead(head: SignedHead): Buffer {
  const { sharedBytes, chainName } = entryHeadParts(head);
  return Buffer.concat([encodeHead(head).subarray(0, sharedBytes), chainName]);
}

suite("the strings in a hub", () => {
  test("items are read back as they were packed", () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 8 }), (items) => {
        assert.deepEqual(hex(unpackItems(packItems(items), 8)), hex(items));
      }),
    );
  });

  test("a head is read back with position, cursor and chain", () => {
    fc.assert(
      fc.property(bytes, bytes, fc.array(bytes, { maxLength: 4 }), (head, signature, chain) => {
        const position = { epoch: 1_795_265_991_000, seq: 7, digest: "ab12" };
        const signed = { bytes: head, signature: { bytes: signature, chain } };
        const lines = `${encodePosition(position)}\n1795265991-0\n`;
        const read = decodeStoredHead(Buffer.concat([Buffer.from(lines), encodeHead(signed)]));
        assert.deepEqual(read?.position, position);
        assert.equal(read?.cursor, "1795265991-0");
        assert.deepEqual(hex(read?.head.signature.chain), hex(chain));
        assert.deepEqual(hex([read?.head.bytes ?? new Uint8Array()]), hex([head]));
      }),
    );
  });

  test("a head whose lines can be read keeps its position though the rest is junk", () => {
    const read = decodeStoredHead(Buffer.from("isthmus1 5 6 abc\n1-0\n\u0000\u0000\u0001\u0000x"));
    assert.deepEqual(read?.position, { epoch: 5, seq: 6, digest: "abc" });
    assert.equal(read?.head.bytes.length, 0);
  });

  test("an entry is read back and names its chain instead of carrying it", () => {
    const chain = [Buffer.from("leaf"), Buffer.from("issuer")];
    const head = { bytes: Buffer.from("h"), signature: { bytes: Buffer.from("s"), chain } };
    const changes = packItems(["a", "1", "b", "2", "gone"].map((text) => Buffer.from(text)));
    const fields = ["t", "delta", "h", entryHead(head), "n", "2", "c", changes];
    const entry = decodeEntry(fields.map((one) => Buffer.from(one)));
    assert.equal(entry?.t, "delta");
    assert.deepEqual(entry?.removed, ["gone"]);
    assert.deepEqual([...(entry?.changed.keys() ?? [])], ["a", "b"]);
    assert.equal(entry?.chainId, chainIdOf(chain));
  });

  test("an entry with more than any agent reads at once is nobody's, and so are its fields", () => {
    const head = { bytes: Buffer.from("h"), signature: { bytes: Buffer.from("s"), chain: [] } };
    const removing = (count: number): readonly Buffer[] => {
      const changes = packItems(Array.from({ length: count }, () => Buffer.alloc(1, 107)));
      const fields = ["t", "delta", "h", entryHead(head), "n", "0", "c", changes];
      return fields.map((one) => Buffer.from(one));
    };
    assert.equal(decodeEntry(removing(maxEntryItems))?.removed.length, maxEntryItems);
    assert.equal(decodeEntry(removing(maxEntryItems + 1)), undefined);
    assert.equal(decodeEntry(removing(3), 2), undefined);
    const many = Array.from({ length: 1000 }, () => Buffer.from("x"));
    assert.equal(decodeEntry([...removing(1), ...many]), undefined);
  });

  test("a charter is read back byte for byte", () => {
    const charter = { bytes: Buffer.from("ü\u0000"), signature: Buffer.from("s"), signer: "root" };
    const read = decodeCharter(encodeCharter({ number: 12, charter }));
    assert.equal(read?.number, 12);
    assert.deepEqual(hex([read?.charter.bytes ?? charter.signature]), hex([charter.bytes]));
    assert.equal(read?.charter.signer, "root");
  });

  test("junk is nothing, and never an exception", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (junk) => {
        const buffer = Buffer.from(junk);
        decodeStoredHead(buffer);
        decodeCharter(buffer);
        decodeEntry([Buffer.from("t"), Buffer.from("delta"), Buffer.from("h"), buffer]);
        unpackItems(buffer, 100);
      }),
    );
    for (const text of ["", "isthmus1", "isthmus1 1 1 d\n", "isthmus1 1 -1 d\n1-0\n", "x\n1-0\n"]) {
      assert.equal(decodeStoredHead(Buffer.from(text)), undefined, JSON.stringify(text));
    }
  });

  test("a count of pairs that the entry does not have is refused", () => {
    const head = { bytes: Buffer.from("h"), signature: { bytes: Buffer.from("s"), chain: [] } };
    for (const pairs of ["2", "-1", "x", "1e9"]) {
      const fields = ["t", "delta", "h", entryHead(head), "n", pairs, "c", packItems([])];
      assert.equal(decodeEntry(fields.map((one) => Buffer.from(one))), undefined, pairs);
    }
  });
});
