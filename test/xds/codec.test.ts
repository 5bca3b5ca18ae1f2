import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { decodeDeltaRequest } from "../../src/xds/codec.ts";
import { NodeSchema } from "../../src/xds/gen/envoy/config/core/v3/base_pb.ts";
import { DeltaDiscoveryRequestSchema } from "../../src/xds/gen/envoy/service/discovery/v3/discovery_pb.ts";
import { decodeNode } from "../../src/xds/node.ts";
import {
  decodeRenewRequest,
  decodeRenewResponse,
  encodeRenewRequest,
  encodeRenewResponse,
} from "../../src/xds/renewal.ts";

const name = fc.string({ maxLength: 30, unit: "grapheme" });

/** 10⁶ inputs in a bounded long run: ISTHMUS_FUZZ=1000000. */
const numRuns = Number(process.env["ISTHMUS_FUZZ"] ?? 3000);

describe("decodeDeltaRequest()", () => {
  test("reads what the generated types write", () => {
    const requests = fc.record({
      typeUrl: name,
      subscribe: fc.array(name, { maxLength: 5 }),
      unsubscribe: fc.array(name, { maxLength: 5 }),
      versions: fc.dictionary(name, name, { maxKeys: 5, noNullPrototype: true }),
      nonce: name,
      error: fc.option(name, { nil: undefined }),
    });
    fc.assert(
      fc.property(requests, (input) => {
        const bytes = toBinary(
          DeltaDiscoveryRequestSchema,
          create(DeltaDiscoveryRequestSchema, {
            typeUrl: input.typeUrl,
            resourceNamesSubscribe: input.subscribe,
            resourceNamesUnsubscribe: input.unsubscribe,
            initialResourceVersions: input.versions,
            responseNonce: input.nonce,
            ...(input.error === undefined
              ? {}
              : { errorDetail: { code: 3, message: input.error } }),
            resourceLocatorsSubscribe: [{ name: "ignored" }],
          }),
        );
        const decoded = decodeDeltaRequest(bytes);
        assert.ok(decoded.t === "ok");
        assert.deepEqual(decoded.value, {
          typeUrl: input.typeUrl,
          subscribe: input.subscribe,
          unsubscribe: input.unsubscribe,
          initialVersions: new Map(Object.entries(input.versions)),
          nonce: input.nonce,
          ...(input.error === undefined ? {} : { error: input.error }),
        });
      }),
    );
  });

  test("answers any bytes with a value or a reason", () => {
    const sound = toBinary(
      DeltaDiscoveryRequestSchema,
      create(DeltaDiscoveryRequestSchema, {
        node: { id: "n" },
        typeUrl: "type",
        resourceNamesSubscribe: ["a", "b"],
        initialResourceVersions: { a: "1" },
        responseNonce: "7",
        errorDetail: { code: 3, message: "no" },
      }),
    );
    const mutated = fc
      .tuple(fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255))), fc.nat(sound.length))
      .map(([flips, length]) => {
        const bytes = Uint8Array.from(sound);
        for (const [at, to] of flips) bytes[at] = to;
        return bytes.subarray(0, length);
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), (bytes) => {
        const decoded = decodeDeltaRequest(bytes);
        assert.ok(decoded.t === "ok" || decoded.reason !== "");
        const node = decodeNode(bytes);
        assert.ok(node.t === "ok" || node.reason !== "");
      }),
      { numRuns },
    );
  });

  const request = (
    init: Parameters<typeof create<typeof DeltaDiscoveryRequestSchema>>[1],
  ): Uint8Array => toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, init));
  const oversized = [
    ["a name of 2 KiB", { resourceNamesSubscribe: ["x".repeat(2048)] }],
    ["20,001 names", { resourceNamesSubscribe: Array.from({ length: 20_001 }, (_, i) => `${i}`) }],
    [
      "20,001 names to leave",
      { resourceNamesUnsubscribe: Array.from({ length: 20_001 }, (_, i) => `${i}`) },
    ],
    [
      "20,001 versions",
      {
        initialResourceVersions: Object.fromEntries(
          Array.from({ length: 20_001 }, (_, i) => [`n${i}`, ""]),
        ),
      },
    ],
    ["a node of 300 kB", { node: { id: "x".repeat(300_000) } }],
    ["a nonce of 1 kB", { responseNonce: "x".repeat(1000) }],
  ] as const;
  for (const [what, init] of oversized) {
    test(`refuses ${what}`, () => {
      assert.equal(decodeDeltaRequest(request(init as object)).t, "refused");
    });
  }

  test("cuts the text of a refusal to what can be read", () => {
    const bytes = request({ errorDetail: { message: "é".repeat(100_000) } });
    const decoded = decodeDeltaRequest(bytes);
    assert.ok(decoded.t === "ok");
    assert.ok((decoded.value.error?.length ?? 0) < 5000);
  });

  test("takes an empty refusal for a refusal", () => {
    const decoded = decodeDeltaRequest(request({ responseNonce: "1", errorDetail: {} }));
    assert.ok(decoded.t === "ok");
    assert.equal(decoded.value.error, "");
  });

  test("refuses bytes that are not UTF-8", () => {
    assert.equal(decodeDeltaRequest(Uint8Array.of(0x12, 1, 0xff)).t, "refused");
  });
});

describe("decodeNode()", () => {
  test("reads id, metadata, user agent, its version and zone, and skips the extensions", () => {
    const bytes = toBinary(
      NodeSchema,
      create(NodeSchema, {
        id: "sidecar/shop/cart-1/x",
        metadata: { role: "sidecar", upstreams: [{ port: 80, isOn: true }] },
        userAgentName: "envoy",
        userAgentVersionType: {
          case: "userAgentBuildVersion",
          value: {
            version: { majorNumber: 1, minorNumber: 36, patch: 4 },
            metadata: { "build.type": "RELEASE" },
          },
        },
        locality: { region: "us-east-1", zone: "a", subZone: "rack" },
        extensions: [{ name: "a", category: "b" }],
        clientFeatures: ["x"],
      }),
    );
    assert.deepEqual(decodeNode(bytes), {
      t: "ok",
      value: {
        id: "sidecar/shop/cart-1/x",
        metadata: { role: "sidecar", upstreams: [{ port: 80, isOn: true }] },
        userAgent: "envoy",
        version: { major: 1, minor: 36 },
        zone: "a",
      },
    });
  });

  test("refuses metadata that is nested without end", () => {
    // Value(6: ListValue(1: Value(6: …))): three bytes and more for each level.
    let bytes = Uint8Array.of();
    const wrap = (tag: number): Uint8Array => {
      const length: number[] = [];
      let rest = bytes.length;
      do {
        length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
        rest >>>= 7;
      } while (rest > 0);
      return Uint8Array.from([tag, ...length, ...bytes]);
    };
    for (let depth = 0; depth < 5000; depth += 1) {
      bytes = Uint8Array.from(wrap(0x32));
      bytes = Uint8Array.from(wrap(0x0a));
    }
    // Node.metadata(3): Struct.fields(1): entry value(2).
    for (const tag of [0x12, 0x0a, 0x1a]) bytes = Uint8Array.from(wrap(tag));
    assert.ok(bytes.length < 256 * 1024);
    assert.equal(decodeNode(bytes).t, "refused");
  });
});

describe("renewal messages", () => {
  test("come back as they were", () => {
    const csr = Uint8Array.of(1, 2, 3);
    assert.deepEqual(
      Buffer.from(decodeRenewRequest(encodeRenewRequest({ csr })).csr),
      Buffer.from(csr),
    );
    const response = { chain: [Uint8Array.of(1), Uint8Array.of(2)], bundle: [Uint8Array.of(3)] };
    const decoded = decodeRenewResponse(encodeRenewResponse(response));
    assert.deepEqual(
      [decoded.chain.map((der) => [...der]), decoded.bundle.map((der) => [...der])],
      [[[1], [2]], [[3]]],
    );
    assert.equal(decoded.renewPhase, undefined);
  });

  test("carry a phase to a ten-thousandth, and none that is out of range", () => {
    const empty = { chain: [], bundle: [] };
    for (const renewPhase of [0, 0.25, 0.9999]) {
      assert.deepEqual(decodeRenewResponse(encodeRenewResponse({ ...empty, renewPhase })), {
        ...empty,
        renewPhase,
      });
    }
    // Field 4 with the value 10,001.
    assert.deepEqual(decodeRenewResponse(Uint8Array.of(0x20, 0x91, 0x4e)), empty);
  });
});
