import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, fromBinary } from "@bufbuild/protobuf";
import { encodeResource, sealResource, valueOf } from "../../src/xds/encode.ts";
import { ClusterSchema } from "../../src/xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { DeltaDiscoveryResponseSchema } from "../../src/xds/gen/envoy/service/discovery/v3/discovery_pb.ts";
import type { ResourceKey } from "../../src/xds/resource.ts";
import { ResourceSet } from "../../src/xds/resource-set.ts";
import { Responses } from "../../src/xds/responses.ts";
import { resource } from "./harness.ts";

describe("sealResource()", () => {
  const content = { type: "cluster", name: "a", value: Uint8Array.of(1, 2, 3) } as const;

  test("gives the same version to the same bytes and another to others", () => {
    const other = { ...content, value: Uint8Array.of(1, 2, 4) };
    assert.equal(sealResource(content).version, sealResource({ ...content }).version);
    assert.notEqual(sealResource(content).version, sealResource(other).version);
  });

  test("mixes in the version that must be followed", () => {
    const [plain, first, second] = [
      content,
      { ...content, mixVersion: "1" },
      { ...content, mixVersion: "2" },
    ].map((each) => sealResource(each).version);
    assert.equal(new Set([plain, first, second]).size, 3);
  });

  test("makes an entry that is a whole resources field, and keeps the value inside of it", () => {
    const sealed = sealResource(content);
    const response = fromBinary(DeltaDiscoveryResponseSchema, sealed.entry);
    const [entry] = response.resources;
    assert.equal(entry?.name, "a");
    assert.equal(entry?.version, sealed.version);
    assert.deepEqual([...(entry?.resource?.value ?? [])], [1, 2, 3]);
    assert.deepEqual([...valueOf(sealed)], [1, 2, 3]);
    assert.equal(valueOf(sealed).buffer, sealed.entry.buffer);
  });

  test("finds the value again under a name of any length", () => {
    for (const length of [0, 1, 127, 128, 1000]) {
      const sealed = sealResource({ ...content, name: "é".repeat(length) });
      assert.deepEqual([...valueOf(sealed)], [1, 2, 3], String(length));
    }
  });

  test("an encoded message keeps to its type", () => {
    const message = create(ClusterSchema, { name: "a" });
    assert.equal(
      encodeResource({ type: "cluster", name: "a", schema: ClusterSchema, message }).name,
      "a",
    );
    assert.throws(
      () => encodeResource({ type: "listener", name: "a", schema: ClusterSchema, message }),
      RangeError,
    );
  });
});

describe("ResourceSet", () => {
  const a1 = resource({ type: "cluster", name: "a" }, "1");
  const a2 = resource({ type: "cluster", name: "a" }, "2");

  test("tells its listeners what really changed", () => {
    const set = new ResourceSet("s");
    const heard: (readonly ResourceKey[])[] = [];
    const cancel = set.onChange((changed) => heard.push(changed));
    const key = { type: "cluster", name: "a" } as const;
    assert.deepEqual(set.apply({ upserts: [a1], removed: [] }), [key]);
    assert.deepEqual(set.apply({ upserts: [a1], removed: [{ type: "cluster", name: "b" }] }), []);
    assert.deepEqual(set.apply({ upserts: [a2], removed: [] }), [key]);
    assert.deepEqual(set.apply({ upserts: [], removed: [key] }), [key]);
    assert.equal(heard.length, 3);
    cancel();
    set.apply({ upserts: [a1], removed: [] });
    assert.equal(heard.length, 3);
  });

  test("shows a listener the whole edit, never half of it", () => {
    const set = new ResourceSet("s");
    const endpoint = resource({ type: "endpoint", name: "a" }, "1");
    let both = false;
    set.onChange(() => {
      both = set.get("cluster", "a") !== undefined && set.get("endpoint", "a") !== undefined;
    });
    set.apply({ upserts: [a1, endpoint], removed: [] });
    assert.ok(both);
  });

  test("a replacement removes what it does not name", () => {
    const set = new ResourceSet("s");
    set.replace([a1, resource({ type: "endpoint", name: "a" }, "1")]);
    set.replace([a1]);
    assert.deepEqual([...set.names("cluster"), ...set.names("endpoint")], ["a"]);
    assert.equal(set.count("endpoint"), 0);
  });
});

describe("Responses", () => {
  const content = {
    type: "cluster",
    upserts: [resource({ type: "cluster", name: "a" }, "1")],
    removed: [],
  } as const;

  test("gives the same bytes to all streams that need the same", () => {
    const responses = new Responses();
    const first = responses.deliver(content, { after: 0 });
    assert.equal(responses.deliver(content, { after: 0 }), first);
  });

  test("never gives a stream a nonce that it has seen", () => {
    const responses = new Responses();
    const first = responses.deliver(content, { after: 0 });
    const second = responses.deliver(content, { after: first.push });
    assert.notEqual(second.receipt.nonce, first.receipt.nonce);
    assert.equal(responses.deliver(content, { after: 0 }), second);
  });

  test("tells removals from upserts of the same name", () => {
    const responses = new Responses();
    const first = responses.deliver(content, { after: 0 });
    const removal = responses.deliver(
      { type: "cluster", upserts: [], removed: ["a"] },
      { after: 0 },
    );
    assert.notEqual(first.bytes.toString("hex"), removal.bytes.toString("hex"));
  });
});
