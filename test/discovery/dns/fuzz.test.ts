import assert from "node:assert/strict";
import { test } from "node:test";
import packet from "dns-packet";
import fc from "fast-check";
import { answerMessage } from "../../../src/discovery/dns/answer.ts";
import { createTcpFrames, framed } from "../../../src/discovery/dns/tcp-frames.ts";
import { maxUdpBytes } from "../../../src/discovery/dns/wire.ts";
import { madeZone } from "./support/made-zone.ts";

const services = madeZone();
const zones = [
  ["cluster", "local"],
  ["clusterset", "local"],
];
const label = fc.oneof(
  fc.constantFrom("cart", "web", "shop", "svc", "_http", "_tcp", "east", "web-0", "many"),
  fc.string({ minLength: 1, maxLength: 63, unit: fc.constantFrom("a", "Z", "0", "-", "_") }),
);
const name = fc
  .array(label, { maxLength: 6 })
  .map((labels) => [...labels, "clusterset.local"].join("."))
  .filter((text) => text.length < 250);
const query = fc
  .record({ name, type: fc.constantFrom("A", "AAAA", "SRV", "TXT", "SOA", "NS", "MX", "PTR") })
  .map((question) =>
    packet.encode({ type: "query", questions: [question as { name: string; type: "A" }] }),
  );

test("answerMessage() answers any question with something that others can read", () => {
  fc.assert(
    fc.property(query, fc.nat(), fc.constantFrom("udp", "tcp"), (asked, turn, transport) => {
      const { message } = answerMessage(asked, { zones, services, transport, turn });
      assert.ok(message);
      assert.ok(transport === "tcp" || message.length <= maxUdpBytes);
      const decoded = packet.decode(Buffer.from(message));
      assert.equal(decoded.type, "response");
      assert.deepEqual(decoded.questions, packet.decode(asked).questions);
    }),
    { numRuns: 2000 },
  );
});

test("answerMessage() never throws and never answers an answer, whatever bytes come", () => {
  const broken = fc
    .tuple(query, fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 6 }), fc.nat(200))
    .map(([asked, edits, end]) => {
      const copy = Uint8Array.from(asked);
      for (const [offset, byte] of edits) copy[offset % copy.length] = byte;
      return copy.subarray(0, Math.max(0, copy.length - (end > 100 ? 0 : end)));
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 600 }), broken), (bytes) => {
      const { message } = answerMessage(bytes, { zones, services, transport: "udp", turn: 1 });
      if (bytes.length < 12 || ((bytes[2] ?? 0) & 0x80) !== 0) assert.equal(message, undefined);
      else assert.ok(message !== undefined && message.length <= maxUdpBytes);
    }),
    { numRuns: 5000 },
  );
});

test("createTcpFrames() gives back the same messages however they are cut", () => {
  const message = fc.uint8Array({ minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 8 }),
      fc.integer({ min: 1, max: 50 }),
      (all, step) => {
        const frames = createTcpFrames();
        const stream = Buffer.concat(all.map(framed));
        const found: Uint8Array[] = [];
        for (let at = 0; at < stream.length; at += step) {
          found.push(...(frames.push(stream.subarray(at, at + step)) ?? assert.fail("refused")));
        }
        assert.deepEqual(
          found.map((one) => [...one]),
          all.map((one) => [...one]),
        );
      },
    ),
  );
});

test("createTcpFrames() refuses a message that is empty or longer than any question", () => {
  assert.equal(createTcpFrames().push(Uint8Array.of(0, 0)), undefined);
  assert.equal(createTcpFrames().push(Uint8Array.of(0x80, 0)), undefined);
});
