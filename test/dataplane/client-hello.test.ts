import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { maxBufferedBytes, readClientHello } from "../../src/dataplane/client-hello.ts";
import {
  helloMessage,
  helloOfSize,
  inRecords,
  nameExtension,
  padding,
  realHello,
} from "./support/hello.ts";

const maxBytes = 16_384;
const name = "outbound_.80_._.cart.shop.svc.cluster.local";
const found = { t: "hello", serverName: name };
const runs = Number(process.env["ISTHMUS_FUZZ"] ?? 2_000);

describe("readClientHello()", () => {
  test("finds the name in what Node really sends, hybrid key share included", async () => {
    const hello = await realHello(name);
    assert.ok(hello.length > 1_500);
    assert.deepEqual(readClientHello(hello, maxBytes), found);
  });

  test("waits for every byte but the last, wherever packets and records are cut", async () => {
    const message = (await realHello(name)).subarray(5);
    for (const recordBytes of [64, 100, 1_000, 16_384]) {
      const hello = inRecords(message, recordBytes);
      for (let bytes = 0; bytes < hello.length; bytes++) {
        assert.deepEqual(readClientHello(hello.subarray(0, bytes), maxBytes), { t: "more" });
      }
      assert.deepEqual(readClientHello(hello, maxBytes), found);
    }
  });

  test("takes a hello of exactly the limit and refuses one byte more before it is all there", () => {
    assert.deepEqual(readClientHello(inRecords(helloOfSize(name, maxBytes)), maxBytes), found);
    const larger = inRecords(helloOfSize(name, maxBytes + 1));
    assert.deepEqual(readClientHello(larger.subarray(0, 9), maxBytes), {
      t: "refused",
      reason: "too-large",
    });
  });

  test("ignores what follows the hello, as much as that may be", () => {
    const hello = inRecords(helloMessage([nameExtension(name)]));
    assert.deepEqual(
      readClientHello(Buffer.concat([hello, Buffer.alloc(65_536, 23)]), maxBytes),
      found,
    );
  });

  test("says that there is no name where there is none", () => {
    const none = { t: "hello", serverName: undefined };
    assert.deepEqual(readClientHello(inRecords(helloMessage([padding(4)])), maxBytes), none);
    const message = helloMessage([]).subarray(0, -2);
    message.writeUInt16BE(message.length - 4, 2);
    assert.deepEqual(readClientHello(inRecords(message), maxBytes), none);
  });

  test("lower-cases the name", () => {
    const hello = inRecords(helloMessage([nameExtension("Cart.Example")]));
    assert.deepEqual(readClientHello(hello, maxBytes), { t: "hello", serverName: "cart.example" });
  });

  for (const [what, bytes, reason] of [
    ["plain HTTP", Buffer.from("GET / HTTP/1.1\r\n"), "not-tls"],
    ["SSLv2", Buffer.from([128, 46, 1, 0, 2]), "not-tls"],
    ["another TLS major", Buffer.from([22, 2, 0]), "not-tls"],
    ["an empty record", Buffer.from([22, 3, 1, 0, 0]), "malformed"],
    ["a record over 2^14 bytes", Buffer.from([22, 3, 1, 0x40, 1]), "malformed"],
    ["a server's hello", inRecords(Buffer.from([2, 0, 0, 1, 0])), "malformed"],
    [
      "another record in the middle",
      Buffer.concat([inRecords(helloOfSize(name, 300)).subarray(0, 105), Buffer.from([23, 3, 3])]),
      "malformed",
    ],
    [
      "two name extensions",
      inRecords(helloMessage([nameExtension("a"), nameExtension("b")])),
      "malformed",
    ],
    ["an empty name", inRecords(helloMessage([nameExtension("")])), "malformed"],
    ["a name of 254 bytes", inRecords(helloMessage([nameExtension("a".repeat(254))])), "malformed"],
    ["a name with a zero byte", inRecords(helloMessage([nameExtension("a\0b")])), "malformed"],
    ["a name with a slash", inRecords(helloMessage([nameExtension("a/b")])), "malformed"],
    [
      "an extension that ends past the message",
      inRecords(helloMessage([Buffer.from([0, 0, 0, 9, 1])])),
      "malformed",
    ],
  ] as const) {
    test(`refuses ${what} as ${reason}`, () => {
      // A record that was cut short on purpose must be refused at the byte that is wrong.
      const fixed = what === "another record in the middle" ? cutRecord(bytes) : bytes;
      assert.deepEqual(readClientHello(fixed, maxBytes), { t: "refused", reason });
    });
  }

  test("never waits once the buffer for a hello is full, however small the records are", () => {
    const hello = inRecords(helloOfSize(name, maxBytes), 1);
    const full = hello.subarray(0, maxBufferedBytes(maxBytes));
    assert.deepEqual(readClientHello(full, maxBytes), { t: "refused", reason: "too-large" });
  });

  test("never throws on junk and answers alike for any way the bytes arrive", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (junk, isTls) => {
        if (isTls) junk.set([22, 3, 1, 0].slice(0, junk.length));
        const whole = readClientHello(junk, 200);
        for (let bytes = 0; bytes < junk.length; bytes++) {
          const early = readClientHello(junk.subarray(0, bytes), 200);
          if (early.t !== "more")
            return assert.deepEqual(whole.t === "more" ? early : whole, early);
        }
      }),
      { numRuns: runs },
    );
  });

  test("survives every mutation of a real hello, and only ever finds a clean name", async () => {
    const hello = await realHello(name);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(hello.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.nat(hello.length),
        (edits, length) => {
          const mutant = Buffer.from(hello.subarray(0, length));
          for (const [at, value] of edits) if (at < length) mutant[at] = value;
          const verdict = readClientHello(mutant, maxBytes);
          if (verdict.t === "hello")
            assert.match(verdict.serverName ?? "none", /^[a-z0-9_.-]{1,253}$/);
        },
      ),
      { numRuns: runs },
    );
  });
});

/** Makes the first record end where the foreign one begins. */
function cutRecord(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt16BE(100, 3);
  return copy;
}
