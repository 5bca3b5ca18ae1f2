import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import {
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from "../../src/xds/gen/envoy/service/discovery/v3/discovery_pb.ts";
import { blamedIndices } from "../../src/xds/nack.ts";
import { typeUrls, xdsTypes } from "../../src/xds/resource.ts";
import { ResourceSet } from "../../src/xds/resource-set.ts";
import { SotwSession, sotwResponses } from "../../src/xds/sotw.ts";
import { anyFieldOf, decodeSotwRequest, encodeSotwResponse } from "../../src/xds/sotw-codec.ts";
import { resource } from "./harness.ts";
import { told } from "./sotw-harness.ts";

const name = fc.string({ maxLength: 30, unit: "grapheme" });

/** 10⁶ inputs in a bounded long run: ISTHMUS_FUZZ=1000000. */
const numRuns = Number(process.env["ISTHMUS_FUZZ"] ?? 3000);

const input = fc.record({
  typeUrl: fc.oneof(name, fc.constantFrom(...Object.values(typeUrls))),
  names: fc.array(name, { maxLength: 5 }),
  version: name,
  nonce: name,
  error: fc.option(name, { nil: undefined }),
});

function bytesOf(request: typeof input extends fc.Arbitrary<infer T> ? T : never): Uint8Array {
  const { typeUrl, names, version, nonce, error } = request;
  const message = create(DiscoveryRequestSchema, {
    typeUrl,
    resourceNames: names,
    versionInfo: version,
    responseNonce: nonce,
    ...(error === undefined ? {} : { errorDetail: { code: 3, message: error } }),
    resourceLocators: [{ name: "ignored" }],
  });
  return toBinary(DiscoveryRequestSchema, message);
}

describe("decodeSotwRequest()", () => {
  test("reads what the generated types write", () => {
    fc.assert(
      fc.property(input, (request) => {
        const decoded = decodeSotwRequest(bytesOf(request));
        assert.ok(decoded.t === "ok");
        const { error, ...rest } = request;
        assert.deepEqual(decoded.value, { ...rest, ...(error === undefined ? {} : { error }) });
      }),
    );
  });

  test("refuses what no honest client sends, and never throws", () => {
    const refused = (parts: Partial<Parameters<typeof bytesOf>[0]>): string => {
      const whole = { typeUrl: "", names: [], version: "", nonce: "", error: undefined, ...parts };
      const decoded = decodeSotwRequest(bytesOf(whole));
      return decoded.t === "refused" ? decoded.reason : "ok";
    };
    assert.match(refused({ names: Array<string>(20_001).fill("a") }), /too many resource names/);
    assert.match(refused({ names: ["a".repeat(1025)] }), /resource name is longer/);
    assert.match(refused({ version: "a".repeat(129) }), /version is longer/);
    assert.match(refused({ nonce: "a".repeat(257) }), /nonce is longer/);
    assert.match(refused({ typeUrl: "a".repeat(257) }), /type URL is longer/);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        assert.ok(["ok", "refused"].includes(decodeSotwRequest(bytes).t));
      }),
      { numRuns },
    );
  });
});

describe("encodeSotwResponse()", () => {
  const resources = [
    resource({ type: "endpoint", name: "a" }, "1"),
    resource({ type: "endpoint", name: "b".repeat(300) }, "x".repeat(70_000)),
    resource({ type: "endpoint", name: "c" }, ""),
  ];
  const encode = (list: typeof resources): ReturnType<typeof read> =>
    read(encodeSotwResponse({ typeUrl: typeUrls.endpoint, nonce: "7", resources: list }));
  const read = (bytes: Buffer) => fromBinary(DiscoveryResponseSchema, bytes);

  test("writes what the generated types read", () => {
    const { typeUrl, nonce, resources: anys, versionInfo } = encode(resources);
    assert.deepEqual([typeUrl, nonce], [typeUrls.endpoint, "7"]);
    assert.match(versionInfo, /^[\w-]{16}$/);
    assert.deepEqual(
      anys.map((any) => [any.typeUrl, Buffer.from(any.value).toString()]),
      ["1", "x".repeat(70_000), ""].map((body) => [typeUrls.endpoint, body]),
    );
  });

  test("copies what the delta dialect encoded, and encodes nothing again", () => {
    for (const each of resources) {
      const field = anyFieldOf(each);
      assert.equal(field.buffer, each.entry.buffer, "the same memory");
      assert.ok(field.byteOffset > each.entry.byteOffset);
    }
  });

  test("gives the same version to the same content and another to another", () => {
    assert.equal(encode(resources).versionInfo, encode([...resources]).versionInfo);
    assert.notEqual(encode(resources).versionInfo, encode(resources.slice(1)).versionInfo);
    assert.notEqual(encode([]).versionInfo, "");
  });
});

describe("blamedIndices()", () => {
  test("reads the words of gRPC's libraries and nothing else", () => {
    const cCore =
      "xDS response validation errors: [resource index 0: a: INVALID_ARGUMENT: x; resource index 12: b]";
    assert.deepEqual(blamedIndices(cCore), [0, 12]);
    assert.deepEqual(blamedIndices("resource index 0: a"), []);
    assert.deepEqual(blamedIndices("xDS response validation errors: [parse error]"), []);
  });
});

test("whatever a client says, a session answers, refuses or ignores it, and says nothing twice", () => {
  const anything = fc.array(
    fc.record({
      type: fc.constantFrom(...xdsTypes),
      names: fc.array(fc.constantFrom("a", "b", "c", "*", ""), { maxLength: 4 }),
      version: fc.constantFrom("", "v"),
      // Now and then the right one.
      nonce: fc.constantFrom("", "1", "2", "silent", "latest"),
      error: fc.option(
        fc.constantFrom(
          "",
          "bad",
          "xDS response validation errors: [resource index 0: x; resource index 99: y]",
          "Error adding/updating cluster(s) a: x",
        ),
        { nil: undefined },
      ),
      change: fc.constantFrom("none", "put", "drop"),
    }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(anything, (steps) => {
      const set = new ResourceSet("fuzz");
      const session = new SotwSession({ view: { sets: [set] }, responses: sotwResponses() });
      set.onChange((changed) => session.touch(changed));
      const latest = new Map<string, string>();
      const nonces = new Set<string>();
      for (const [index, { type, change, nonce, error, ...rest }] of steps.entries()) {
        if (change === "put") {
          const upserts = [resource({ type, name: "a" }, `a${index}`)];
          set.apply({ upserts, removed: [] });
        } else if (change === "drop") set.apply({ upserts: [], removed: [{ type, name: "a" }] });
        const said = nonce === "latest" ? (latest.get(type) ?? "") : nonce;
        const fault = error === undefined ? {} : { error };
        session.request({ typeUrl: typeUrls[type], nonce: said, ...rest, ...fault }, index);
        for (let sent = 0; ; sent += 1) {
          assert.ok(sent < 20, "the server never falls silent");
          const delivery = session.next(index * 3000);
          if (delivery === undefined) break;
          const response = told(delivery);
          assert.ok(!nonces.has(response.nonce), "a nonce comes twice");
          nonces.add(response.nonce);
          latest.set(response.type, response.nonce);
        }
      }
    }),
    { numRuns: Math.min(numRuns, 100_000) },
  );
});
