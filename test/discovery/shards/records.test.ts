import assert from "node:assert/strict";
import { test } from "node:test";
import {
  endpointsKey,
  memberKey,
  parseRecordKey,
  serviceKey,
} from "../../../src/discovery/shards/record-key.ts";
import type {
  CatalogRecord,
  EndpointsRecord,
  MemberRecord,
  ServiceRecord,
} from "../../../src/discovery/shards/records.ts";
import {
  encodeRecord,
  maxRecordBytes,
  parseRecord,
} from "../../../src/discovery/shards/records.ts";
import { parseMemberName, parseServiceId, parseSpiffeId } from "../../../src/mesh/ids.ts";
import { endpointOf } from "../support/made.ts";

const cart = parseServiceId("shop/cart");
const member: MemberRecord = {
  t: "member",
  software: "0.1.0",
  schemas: { min: 1, max: 1 },
  gateways: [
    { host: "gw.east.example", port: 15_443, zone: "a" },
    { host: "2001:db8::1", port: 15_443, draining: 1 },
  ],
  bundleDigest: "ab",
  drained: [{ member: parseMemberName("west"), gateway: "[2001:db8::9]:15443", drain: 3 }],
};
const service: ServiceRecord = {
  t: "service",
  id: cart,
  type: "ClusterSetIP",
  ports: [{ name: "http", port: 80, protocol: "TCP", appProtocol: "http" }],
  createdAtMs: 1000,
  identities: [parseSpiffeId("spiffe://east.acme.mesh/ns/shop/sa/cart")],
  zones: [
    { zone: "", healthy: 0, total: 0 },
    { zone: "a", healthy: 2, total: 3, capacity: 100 },
  ],
  sessionAffinity: "ClientIP",
  sessionAffinityTimeoutSeconds: 60,
  internalTrafficPolicy: "Local",
  trafficDistribution: "PreferClose",
  labels: { "example.com/tier": "front" },
  annotations: { note: "two\nlines" },
};
const endpoints: EndpointsRecord = {
  t: "endpoints",
  id: cart,
  slice: 3,
  endpoints: [endpointOf(1), endpointOf(2, { health: "draining", address: "2001:db8::2" })],
};
const keyed: readonly (readonly [string, CatalogRecord])[] = [
  [memberKey, member],
  [serviceKey(cart), service],
  [endpointsKey(cart, 3), endpoints],
];

function changed(record: CatalogRecord, change: Readonly<Record<string, unknown>>): Uint8Array {
  const body = JSON.parse(Buffer.from(encodeRecord(record)).toString()) as object;
  return Buffer.from(JSON.stringify({ ...body, ...change }));
}

for (const [key, record] of keyed) {
  test(`a ${record.t} record is read back as it was written`, () => {
    assert.deepEqual(parseRecord(key, encodeRecord(record)), { t: "ok", record });
  });

  test(`a ${record.t} record with fields of a newer version is read without them`, () => {
    const bytes = changed(record, { novelty: { deep: [1] }, __proto__: null });
    assert.deepEqual(parseRecord(key, bytes), { t: "ok", record });
  });

  test(`a ${record.t} record of an unknown schema is told apart from a bad one`, () => {
    assert.deepEqual(parseRecord(key, changed(record, { schema: 2 })), { t: "newer", schema: 2 });
  });
}

test("encodeRecord() gives equal bytes for equal records", () => {
  assert.deepEqual(encodeRecord({ ...service }), encodeRecord(service));
});

test("a record of an unknown kind is neither good nor bad", () => {
  assert.deepEqual(parseRecord("drill/d-1", Buffer.from("junk")), { t: "unknown" });
  assert.deepEqual(parseRecord("policy/shop/x", Buffer.from("{}")), { t: "unknown" });
});

const bad: readonly (readonly [string, string, Uint8Array])[] = [
  ["no JSON", serviceKey(cart), Buffer.from("{")],
  ["a list", serviceKey(cart), Buffer.from("[]")],
  ["no schema", serviceKey(cart), changed(service, { schema: undefined })],
  ["a schema of 0", serviceKey(cart), changed(service, { schema: 0 })],
  ["the name of another service", serviceKey(parseServiceId("shop/other")), encodeRecord(service)],
  [
    "more healthy than there are",
    serviceKey(cart),
    changed(service, { zones: [{ zone: "a", healthy: 2, total: 1 }] }),
  ],
  [
    "a negative count",
    serviceKey(cart),
    changed(service, { zones: [{ zone: "a", healthy: -1, total: 1 }] }),
  ],
  ["a broken SPIFFE ID", serviceKey(cart), changed(service, { identities: ["spiffe://A/../b"] })],
  [
    "a port of 0",
    serviceKey(cart),
    changed(service, { ports: [{ name: "", port: 0, protocol: "TCP" }] }),
  ],
  [
    "an unknown protocol",
    serviceKey(cart),
    changed(service, { ports: [{ name: "", port: 1, protocol: "SCTP" }] }),
  ],
  [
    "a control character in a zone",
    serviceKey(cart),
    changed(service, { zones: [{ zone: "a\u001b[2J", healthy: 0, total: 0 }] }),
  ],
  [
    "ten thousand zones",
    serviceKey(cart),
    changed(service, { zones: Array(10_000).fill({ zone: "", healthy: 0, total: 0 }) }),
  ],
  ["more bytes than the bound", serviceKey(cart), Buffer.alloc(maxRecordBytes + 1, 0x20)],
  ["a host with a slash", memberKey, changed(member, { gateways: [{ host: "a/b", port: 1 }] })],
  [
    "an address that is a name",
    endpointsKey(cart, 3),
    changed(endpoints, { endpoints: [{ ...endpointOf(1), address: "localhost" }] }),
  ],
  [
    "a slice of 101",
    endpointsKey(cart, 3),
    changed(endpoints, { endpoints: Array(101).fill(endpointOf(1)) }),
  ],
];
for (const [what, key, bytes] of bad) {
  test(`parseRecord() refuses ${what}`, () => {
    assert.equal(parseRecord(key, bytes).t, "refused");
  });
}

test("parseRecordKey() takes our keys and those of newer versions, nothing else", () => {
  assert.deepEqual(parseRecordKey("member"), { t: "member" });
  assert.deepEqual(parseRecordKey("service/shop/cart"), { t: "service", id: cart });
  assert.deepEqual(parseRecordKey("endpoints/shop/cart/12"), {
    t: "endpoints",
    id: cart,
    slice: 12,
  });
  assert.deepEqual(parseRecordKey("drill/d-1"), { t: "other" });
  for (const key of [
    "",
    "member/x",
    "service/shop",
    "service/shop/cart/x",
    "service/Shop/cart",
    "endpoints/shop/cart",
    "endpoints/shop/cart/01",
    "endpoints/shop/cart/-1",
    "endpoints/shop/cart/99999",
    "servicé/shop/cart",
    "a//b",
    `a/${"x".repeat(200)}`,
    "__proto__",
  ]) {
    assert.equal(parseRecordKey(key), undefined, key);
  }
});

test("a port map with a hostile key stays a plain map", () => {
  const bytes = Buffer.from(
    Buffer.from(encodeRecord({ ...endpoints, endpoints: [endpointOf(1, { ports: {} })] }))
      .toString()
      .replace('"ports":{}', '"ports":{"__proto__":80,"constructor":81}'),
  );
  const parsed = parseRecord(endpointsKey(cart, 3), bytes);
  const record = parsed.t === "ok" ? parsed.record : undefined;
  assert.ok(record?.t === "endpoints");
  const ports = record.endpoints[0]?.ports ?? {};
  assert.deepEqual(Object.entries(ports), [
    ["__proto__", 80],
    ["constructor", 81],
  ]);
});

test("labels and annotations that Kubernetes would not take are left out, the service stays", () => {
  const written = {
    ...service,
    labels: { "a b": "x", ok: "yes", "two/slashes/x": "y", bad: "-", ["l".repeat(64)]: "z" },
    annotations: { big: "x".repeat(5000), __proto__x: "y" },
  };
  const parsed = parseRecord(serviceKey(cart), encodeRecord(written));
  assert.equal(parsed.t, "ok");
  const { labels, annotations } = (parsed as { record: ServiceRecord }).record;
  assert.deepEqual([labels, annotations], [{ ok: "yes" }, undefined]);
});
