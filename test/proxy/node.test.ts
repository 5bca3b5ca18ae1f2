import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { parseHostPort } from "../../src/mesh/address.ts";
import type { SpiffeId, TrustDomain } from "../../src/mesh/ids.ts";
import {
  parseMemberName,
  parseMeshDomain,
  parseSpiffeId,
  trustDomainOf,
} from "../../src/mesh/ids.ts";
import type { NodeVerdict } from "../../src/proxy/node.ts";
import { doorOf, parseNode } from "../../src/proxy/node.ts";

const ownTrustDomain: TrustDomain = trustDomainOf(
  parseMemberName("east"),
  parseMeshDomain("acme.mesh"),
);
const cart: SpiffeId = parseSpiffeId("spiffe://east.acme.mesh/ns/shop/sa/cart");
const gateway: SpiffeId = parseSpiffeId("spiffe://east.acme.mesh/isthmus/gateway");

const sidecarMetadata = {
  role: "sidecar",
  engine: "embedded",
  namespace: "shop",
  workload: "cart-1",
  serviceAccount: "cart",
  zone: "a",
  capture: "ports",
  upstreams: [{ service: "shop/prices", port: 80, listen: "127.0.0.1:15101" }],
  inbound: [{ endpoint: "10.0.0.7:8080", listen: "10.0.0.7:15006", app: "127.0.0.1:8080" }],
};

const read = (
  metadata: unknown,
  peer: SpiffeId = cart,
  id = "sidecar/shop/cart-1/0",
): NodeVerdict => parseNode({ id, metadata }, { peer, ownTrustDomain });
const reasonOf = (verdict: NodeVerdict): string =>
  verdict.t === "refused" ? verdict.reason : "accepted";

suite("doorOf()", () => {
  const doorAt = (listen: string, endpoint = "10.0.0.7:8080"): unknown =>
    doorOf({
      endpoint: parseHostPort(endpoint),
      listen: parseHostPort(listen),
      app: { host: "127.0.0.1", port: 8080 },
    });

  test("is the workload's own address, also where a sidecar listens on all", () => {
    const door = { host: "10.0.0.7", port: 15_006 };
    assert.deepEqual(doorAt("10.0.0.7:15006"), door);
    assert.deepEqual(doorAt("0.0.0.0:15006"), door);
    assert.deepEqual(doorAt("[::]:15006"), door);
    assert.deepEqual(doorAt("[fd00:0:0:0:0:0:0:7]:1", "[fd00::7]:8080"), {
      host: "fd00::7",
      port: 1,
    });
  });

  test("is none on another host: gateways would dial whatever a sidecar names", () => {
    for (const listen of ["127.0.0.1:15021", "169.254.169.254:80", "10.0.0.8:6379", "[::1]:80"]) {
      assert.equal(doorAt(listen), undefined);
    }
  });
});

suite("parseNode()", () => {
  test("reads a sidecar", () => {
    assert.deepEqual(read(sidecarMetadata), {
      t: "ok",
      node: {
        t: "sidecar",
        id: "sidecar/shop/cart-1/0",
        engine: "embedded",
        namespace: "shop",
        workload: "cart-1",
        serviceAccount: "cart",
        zone: "a",
        upstreams: [
          {
            target: { service: "shop/prices", port: 80, suffix: "svc.cluster.local" },
            listen: { host: "127.0.0.1", port: 15_101 },
          },
        ],
        inbound: [
          {
            endpoint: { host: "10.0.0.7", port: 8_080 },
            listen: { host: "10.0.0.7", port: 15_006 },
            app: { host: "127.0.0.1", port: 8_080 },
          },
        ],
      },
    });
  });

  test("reads a gateway", () => {
    const metadata = { role: "gateway", engine: "envoy", listen: "[::]:15443" };
    assert.deepEqual(read(metadata, gateway, "gateway/isthmus/gw/0"), {
      t: "ok",
      node: {
        t: "gateway",
        id: "gateway/isthmus/gw/0",
        engine: "envoy",
        listen: { host: "::", port: 15_443 },
      },
    });
  });

  test("takes a whole host name where the suffix matters", () => {
    const service = "prices.shop.svc.clusterset.local";
    const upstreams = [{ service, port: 80, listen: "127.0.0.1:15101" }];
    const verdict = read({ ...sidecarMetadata, upstreams });
    assert.ok(verdict.t === "ok" && verdict.node.t === "sidecar");
    assert.equal(verdict.node.upstreams[0]?.target.suffix, "svc.clusterset.local");
  });

  const foreign = parseSpiffeId("spiffe://west.acme.mesh/ns/shop/sa/cart");
  const other = parseSpiffeId("spiffe://east.acme.mesh/ns/shop/sa/prices");
  const lies: readonly (readonly [string, NodeVerdict])[] = [
    ["another member's identity", read(sidecarMetadata, foreign)],
    ["another service account's identity", read(sidecarMetadata, other)],
    ["a sidecar with a gateway's identity", read(sidecarMetadata, gateway)],
    [
      "a gateway with a workload's identity",
      read({ role: "gateway", engine: "embedded", listen: "0.0.0.0:15443" }),
    ],
    ["another workload's node id", read(sidecarMetadata, cart, "sidecar/shop/prices-1/0")],
    ["a node id with a line break", read(sidecarMetadata, cart, "sidecar/shop/cart-1/0\nx")],
    ["an endless node id", read(sidecarMetadata, cart, `sidecar/shop/cart-1/${"x".repeat(600)}`)],
    ["an unknown role", read({ ...sidecarMetadata, role: "agent" })],
    ["an unknown engine", read({ ...sidecarMetadata, engine: "nginx" })],
    ["an unknown capture", read({ ...sidecarMetadata, capture: "transparent" })],
    ["no metadata", read(undefined)],
    ["a list for metadata", read([sidecarMetadata])],
    ["a role inherited from the prototype", read(Object.create(sidecarMetadata))],
    [
      "a port that is no port",
      read({
        ...sidecarMetadata,
        upstreams: [{ service: "shop/prices", port: 80.5, listen: "127.0.0.1:1" }],
      }),
    ],
    [
      "a host name to listen on",
      read({
        ...sidecarMetadata,
        inbound: [{ endpoint: "10.0.0.7:80", listen: "localhost:1", app: "127.0.0.1:1" }],
      }),
    ],
    [
      "port 0 to listen on",
      read({
        ...sidecarMetadata,
        inbound: [{ endpoint: "10.0.0.7:80", listen: "127.0.0.1:0", app: "127.0.0.1:1" }],
      }),
    ],
    [
      "one address for two listeners",
      read({
        ...sidecarMetadata,
        upstreams: [...sidecarMetadata.upstreams, ...sidecarMetadata.upstreams],
      }),
    ],
    [
      "a thousand and one upstreams",
      read({
        ...sidecarMetadata,
        upstreams: Array.from({ length: 1_001 }, () => sidecarMetadata.upstreams[0]),
      }),
    ],
    [
      "a service that is none",
      read({
        ...sidecarMetadata,
        upstreams: [{ service: "prices", port: 80, listen: "127.0.0.1:1" }],
      }),
    ],
  ];
  for (const [what, verdict] of lies) {
    test(`refuses ${what}`, () => assert.match(reasonOf(verdict), /^Cannot (?:accept|read) /));
  }

  test("shows little of what a stranger sent", () => {
    const verdict = read({ ...sidecarMetadata, engine: "x".repeat(100_000) });
    assert.ok(reasonOf(verdict).length < 300);
  });

  test("answers whatever JSON comes, and never throws", () => {
    const keys = fc.constantFrom(...Object.keys(sidecarMetadata), "listen", "__proto__");
    const mutated = fc
      .dictionary(keys, fc.jsonValue())
      .map((wish) => ({ ...sidecarMetadata, ...wish }));
    const run = fc.property(fc.oneof(fc.jsonValue(), mutated), fc.string(), (metadata, id) => {
      assert.equal(read(metadata, cart, id).t, "refused");
    });
    fc.assert(run, { numRuns: 2_000 });
  });
});

suite("parseNode() of a gRPC program", () => {
  const parse = (
    metadata: object,
    options: { readonly peer?: SpiffeId; readonly id?: string; readonly zone?: string } = {},
  ): NodeVerdict => {
    const { peer, id = "grpc/shop/frontend-1", zone = "" } = options;
    const proof = { ownTrustDomain, ...(peer === undefined ? {} : { peer }) };
    return parseNode({ id, metadata: { role: "grpc", ...metadata }, zone }, proof);
  };

  test("is served without a proof, by mTLS unless it asks for plaintext", () => {
    const node = { t: "grpc", id: "grpc/shop/frontend-1", engine: "grpc", zone: "a" };
    assert.deepEqual(parse({}, { zone: "a" }), { t: "ok", node: { ...node, security: "mtls" } });
    const plain = parse({ security: "plaintext" }, { zone: "a", peer: cart });
    assert.deepEqual(plain, { t: "ok", node: { ...node, security: "plaintext" } });
    assert.match(reasonOf(parse({ security: "none" })), /none of mtls, plaintext/);
  });

  test("is nobody else: neither by its id nor by a zone that is no name", () => {
    assert.match(reasonOf(parse({}, { id: "sidecar/shop/cart-1/0" })), /does not start with grpc/);
    assert.match(reasonOf(parse({}, { zone: "a b" })), /is not a name/);
    assert.match(reasonOf(parse({}, { peer: gateway })), /not a workload's/);
    const stranger = parseSpiffeId("spiffe://west.acme.mesh/ns/shop/sa/cart");
    assert.match(reasonOf(parse({}, { peer: stranger })), /of another member/);
  });

  test("without a proof nobody is a sidecar or a gateway", () => {
    for (const metadata of [sidecarMetadata, { role: "gateway" }]) {
      const verdict = parseNode({ id: "gateway/a/b", metadata }, { ownTrustDomain });
      assert.match(reasonOf(verdict), /proved no identity/);
    }
  });
});
