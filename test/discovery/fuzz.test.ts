import assert from "node:assert/strict";
import { test } from "node:test";
import { createRemoteShard } from "../../src/discovery/follow/remote-shard.ts";
import { createHeadSigner, peekHead, verifyHead } from "../../src/discovery/shards/head.ts";
import { parseRecordKey } from "../../src/discovery/shards/record-key.ts";
import { encodeRecord, parseRecord } from "../../src/discovery/shards/records.ts";
import { parseServiceId, parseSpiffeId } from "../../src/mesh/ids.ts";
import type { Chance } from "./simulation/chance.ts";
import { createChance } from "./simulation/chance.ts";
import { anyClaim, createFakeTrust } from "./support/fake-trust.ts";
import { east, endpointOf, mesh } from "./support/made.ts";

/** Inputs per parser; 10⁶ in the bounded run before a release. */
const inputs = Number(process.env["ISTHMUS_FUZZ"] ?? 3000);
const seed = Number(process.env["ISTHMUS_SEED"] ?? 1);
const cart = parseServiceId("shop/cart");

const good: readonly (readonly [string, Buffer])[] = [
  [
    "member",
    bytesOf({
      t: "member",
      software: "1",
      schemas: { min: 1, max: 1 },
      gateways: [{ host: "a.b", port: 1 }],
    }),
  ],
  [
    "service/shop/cart",
    bytesOf({
      t: "service",
      id: cart,
      type: "ClusterSetIP",
      ports: [{ name: "http", port: 80, protocol: "TCP", appProtocol: "http" }],
      createdAtMs: 1,
      identities: [parseSpiffeId("spiffe://east.acme.mesh/ns/shop/sa/cart")],
      zones: [{ zone: "a", healthy: 1, total: 2, capacity: 3 }],
      sessionAffinity: "ClientIP",
      trafficDistribution: "PreferClose",
    }),
  ],
  [
    "endpoints/shop/cart/0",
    bytesOf({ t: "endpoints", id: cart, slice: 0, endpoints: [endpointOf(1), endpointOf(2)] }),
  ],
];

function bytesOf(record: Parameters<typeof encodeRecord>[0]): Buffer {
  return Buffer.from(encodeRecord(record));
}

/** Values that parsers stumble over, put where others were. */
const splices = [
  "null",
  "true",
  "-1",
  "0",
  "1e999",
  "9007199254740993",
  "1.5",
  '""',
  "[]",
  "{}",
  "[[[[[]]]]]",
  '"\\u0000"',
  '"\\ud800"',
  '"__proto__"',
  '{"__proto__":{}}',
  '"constructor"',
  '"toString"',
  '"../.."',
  '"spiffe://x/../y"',
  '"::ffff:1.2.3.4"',
  '"1.2.3.4.5"',
  '"0x7f.1"',
  '"\u202e"',
  "\\",
  '"',
  ",",
  "}",
];

function mutate(bytes: Buffer, chance: Chance): Buffer {
  let text = bytes.toString("latin1");
  const times = 1 + chance.below(4);
  for (let time = 0; time < times; time += 1) {
    const at = chance.below(text.length + 1);
    const rest = at + chance.below(12);
    switch (chance.below(5)) {
      case 0:
        text = text.slice(0, at) + String.fromCharCode(chance.below(256)) + text.slice(at + 1);
        break;
      case 1:
        text = text.slice(0, at) + text.slice(rest);
        break;
      case 2:
        text =
          text.slice(0, at) + text.slice(at, rest).repeat(1 + chance.below(20)) + text.slice(rest);
        break;
      case 3:
        text = text.slice(0, at) + chance.pick(splices) + text.slice(rest);
        break;
      default:
        text = spliceValue(text, chance);
    }
  }
  return Buffer.from(text, "latin1");
}

/** Replaces one whole JSON value, so that the form stays and the parser gets further. */
function spliceValue(text: string, chance: Chance): string {
  const starts = [...text.matchAll(/[:[,]("[^"]*"|-?\d+|true|null)/g)];
  if (starts.length === 0) return text;
  const match = chance.pick(starts);
  const from = match.index + 1;
  return text.slice(0, from) + chance.pick(splices) + text.slice(from + (match[1] ?? "").length);
}

test(`parseRecord() neither throws nor believes any of ${inputs} mutated records`, () => {
  const chance = createChance(seed);
  for (let index = 0; index < inputs; index += 1) {
    const [key, bytes] = chance.pick(good);
    const junk = mutate(bytes, chance);
    const parsed = parseRecord(key, junk);
    if (parsed.t !== "ok") continue;
    // What was understood can be written, and is then understood the same.
    const again = parseRecord(key, encodeRecord(parsed.record));
    assert.deepEqual(again, parsed, junk.toString("latin1"));
  }
});

test(`parseRecordKey() takes none of ${inputs} mutated keys for something with other bytes`, () => {
  const chance = createChance(seed);
  for (let index = 0; index < inputs; index += 1) {
    const key = mutate(Buffer.from(chance.pick(good)[0]), chance).toString("latin1");
    const parsed = parseRecordKey(key);
    if (parsed?.t === "service") assert.equal(`service/${parsed.id}`, key);
    if (parsed?.t === "endpoints") assert.equal(`endpoints/${parsed.id}/${parsed.slice}`, key);
  }
});

test(`verifyHead() refuses all of ${inputs} mutated heads, and a reader none of whose input verifies holds nothing`, async () => {
  const chance = createChance(seed);
  const trust = createFakeTrust(mesh);
  const signed = await createHeadSigner(trust.signFor(east))({
    mesh,
    member: east,
    epoch: 5,
    seq: 1,
    beat: 1,
    leaseMs: 10_000,
    buckets: 1,
    digest: "ab".repeat(32),
    timeMs: 0,
    owner: { instance: "i", host: "h" },
  });
  const { verify } = trust;
  const expected = { mesh, member: east, verify, nowMs: 0, allowExpired: true };
  const shard = createRemoteShard({ mesh, member: east, verify, checkClaim: anyClaim });
  for (let index = 0; index < inputs; index += 1) {
    const bytes = mutate(Buffer.from(signed.bytes), chance);
    if (bytes.equals(signed.bytes)) continue;
    const head = { bytes, signature: signed.signature };
    assert.equal(verifyHead(head, expected).t, "refused");
    // Well signed, so that the parser itself must stand.
    const resigned = { bytes, signature: trust.signNow(east, bytes) };
    peekHead(bytes);
    verifyHead(resigned, expected);
    const records = new Map([[chance.pick(good)[0], mutate(chance.pick(good)[1], chance)]]);
    shard.take({ t: "snapshot", snapshot: { records, head } }, { nowMs: 0, monotonicMs: 0 });
  }
  assert.equal(shard.copy(), undefined);
});
