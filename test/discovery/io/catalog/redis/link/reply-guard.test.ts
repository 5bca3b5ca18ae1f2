import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { createReplyGuard } from "../../../../../../src/discovery/io/catalog/redis/link/reply-guard.ts";

const limits = { maxBytes: 1000, maxElements: 50, maxDepth: 4 };

function judgeAll(chunks: readonly Uint8Array[], asked = 100): string | undefined {
  const guard = createReplyGuard(limits, () => asked);
  for (const chunk of chunks) {
    const wrong = guard.judge(Buffer.from(chunk));
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

type Value = string | number | null | Uint8Array | readonly Value[];

function encode(value: Value): Buffer {
  if (value === null) return Buffer.from("$-1\r\n");
  if (typeof value === "number") return Buffer.from(`:${value}\r\n`);
  if (typeof value === "string") return Buffer.from(`+${value}\r\n`);
  if (value instanceof Uint8Array) {
    return Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from("\r\n")]);
  }
  const parts = (value as readonly Value[]).map(encode);
  return Buffer.concat([Buffer.from(`*${parts.length}\r\n`), ...parts]);
}

const leaf: fc.Arbitrary<Value> = fc.oneof(
  fc.integer(),
  fc.constant(null),
  fc.uint8Array({ maxLength: 40 }),
  fc.stringMatching(/^[A-Za-z ]{0,20}$/),
);
const reply: fc.Arbitrary<Value> = fc.oneof(
  leaf,
  fc.array(leaf, { maxLength: 5 }),
  fc.array(fc.array(leaf, { maxLength: 3 }), { maxLength: 3 }),
);

suite("createReplyGuard()", () => {
  test("lets honest replies pass and counts them, however they are cut into chunks", () => {
    fc.assert(
      fc.property(
        fc.array(reply, { maxLength: 6 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 30 })),
        (replies, sizes) => {
          const bytes = Buffer.concat(replies.map(encode));
          const guard = createReplyGuard(limits, () => replies.length);
          for (let at = 0; at < bytes.length; ) {
            const size = sizes.next().value ?? 1;
            assert.equal(guard.judge(bytes.subarray(at, at + size)), undefined);
            at += size;
          }
          assert.equal(guard.replies(), replies.length);
        },
      ),
    );
  });

  test("never throws, whatever comes", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (chunks) => {
        judgeAll(chunks);
      }),
    );
  });

  for (const [what, bytes] of [
    ["a string longer than all that is read", "$1001\r\n"],
    ["a list with too many parts", "*51\r\n"],
    ["many lists that have too many parts together", `*4\r\n${"*20\r\n".repeat(4)}`],
    ["lists in lists without end", "*1\r\n".repeat(5)],
    ["a line without end", `+${"x".repeat(9000)}`],
    ["a length that is no number", "$1e9\r\n"],
    ["a negative length", "*-2\r\n"],
    ["a line that ends with a line feed only", "+OK\n"],
    ["a carriage return within a line", "+O\rK\r\n"],
    ["a map of the newer protocol", "%1\r\n+a\r\n+b\r\n"],
    ["a push of the newer protocol", ">1\r\n+a\r\n"],
    ["another protocol", "HTTP/1.1 400 Bad Request\r\n\r\n"],
  ] as const) {
    test(`stops ${what}`, () => {
      assert.notEqual(judgeAll([Buffer.from(bytes)]), undefined);
      const single = [...Buffer.from(bytes)].map((byte) => Uint8Array.of(byte));
      assert.notEqual(judgeAll(single), undefined);
    });
  }

  test("stops a reply that grows beyond the limit by small parts", () => {
    const part = encode(Buffer.alloc(400));
    assert.match(judgeAll([Buffer.from("*3\r\n"), part, part, part]) ?? "", /longer/);
  });

  test("does not add replies up: each has the limit to itself", () => {
    const replies = Array.from({ length: 20 }, () => encode(Buffer.alloc(400)));
    assert.equal(judgeAll([Buffer.concat(replies)]), undefined);
  });

  test("stops what nobody asked for", () => {
    assert.equal(judgeAll([Buffer.from("$-1\r\n")], 1), undefined);
    assert.match(judgeAll([Buffer.from("$-1\r\n$-1\r\n")], 1) ?? "", /nobody asked/);
  });
});
