import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  parseMemberName,
  parseMeshDomain,
  parseSpiffeId,
  trustDomainOf,
} from "../../src/mesh/ids.ts";
import type { ServicePort } from "../../src/mesh/service.ts";
import { capturedPorts } from "../../src/proxy/captured-ports.ts";
import { type NodeVerdict, parseNode } from "../../src/proxy/node.ts";
import { endpoint, localService, meshService } from "./made.ts";

const transparent = {
  addresses: ["10.0.0.7", "fd00:0::7"],
  outboundPort: 15_001,
  inboundPort: 15_006,
  unknown: "block",
  plaintextFrom: ["10.0.0.0/8"],
  openPorts: [22],
};

function read(change: object = {}, more: object = {}): NodeVerdict {
  const metadata = {
    role: "sidecar",
    engine: "envoy",
    namespace: "shop",
    workload: "cart-1",
    serviceAccount: "cart",
    capture: "transparent",
    transparent: { ...transparent, ...change },
    ...more,
  };
  const peer = parseSpiffeId("spiffe://east.acme.mesh/ns/shop/sa/cart");
  const ownTrustDomain = trustDomainOf(parseMemberName("east"), parseMeshDomain("acme.mesh"));
  return parseNode({ id: "sidecar/shop/cart-1/0", metadata }, { peer, ownTrustDomain });
}

suite("parseNode() of a captured sidecar", () => {
  test("reads what it says, addresses in one spelling", () => {
    const verdict = read();
    assert.ok(verdict.t === "ok" && verdict.node.t === "sidecar");
    assert.deepEqual(verdict.node.capture, { ...transparent, addresses: ["10.0.0.7", "fd00::7"] });
    assert.deepEqual(verdict.node.inbound, []);
  });

  const inbound = [{ endpoint: "10.0.0.7:80", listen: "10.0.0.7:81", app: "127.0.0.1:80" }];
  const many = (count: number): readonly string[] =>
    Array.from({ length: count }, (_, index) => `10.0.${index >> 8}.${index & 255}`);
  for (const [what, verdict] of [
    ["nothing said", read({}, { transparent: undefined })],
    ["no address", read({ addresses: [] })],
    ["a name for an address", read({ addresses: ["cart"] })],
    ["an address that is no text", read({ addresses: [7] })],
    ["more addresses than a machine has", read({ addresses: many(33) })],
    ["a range that is none", read({ plaintextFrom: ["10.0.0.0/33"] })],
    ["a port that is none", read({ openPorts: [0] })],
    ["ports without end", read({ openPorts: Array.from({ length: 257 }, () => 80) })],
    ["one port for both directions", read({ inboundPort: 15_001 })],
    ["another fate for the unknown", read({ unknown: "drop" })],
    ["inbound entries besides", read({}, { inbound })],
    ["an engine that cannot", read({}, { engine: "embedded" })],
    ["a way of capture there is none of", read({}, { capture: "magic" })],
  ] as const) {
    test(`refuses ${what}`, () => assert.equal(verdict.t, "refused"));
  }
});

suite("capturedPorts()", () => {
  const capture = { addresses: ["10.1.0.1"], openPorts: [] };
  const named = (name: string, ports: readonly ServicePort[], targets: Record<string, number>) => {
    const base = localService([endpoint(1, { ports: targets })]);
    const id = `shop/${name}` as typeof base.id;
    return meshService({ id, ports, local: { ...base, id, ports } });
  };
  const http = { name: "http", port: 80, protocol: "TCP" } as const;
  const grpc = { name: "grpc", port: 90, protocol: "TCP" } as const;

  test("are bytes where two services call one port differently, with the names of both", () => {
    const services = [
      named("cart", [http], { http: 8080 }),
      named("mirror", [grpc], { grpc: 8080 }),
    ];
    assert.deepEqual(capturedPorts(capture, services), [
      {
        port: 8080,
        protocol: "tcp",
        names: [
          "outbound_.80_._.cart.shop.svc.cluster.local",
          "outbound_.80_._.cart.shop.svc.clusterset.local",
          "outbound_.90_._.mirror.shop.svc.cluster.local",
          "outbound_.90_._.mirror.shop.svc.clusterset.local",
        ],
      },
    ]);
    const [only] = capturedPorts(capture, services.slice(0, 1));
    assert.equal(only?.protocol, "http");
  });

  test("leave out UDP, other addresses and open ports", () => {
    const udp = { name: "dns", port: 53, protocol: "UDP" } as const;
    const service = named("cart", [http, udp], { http: 8080, dns: 53 });
    const ports = (of: typeof capture | { addresses: string[]; openPorts: number[] }) =>
      capturedPorts(of, [service]).map(({ port }) => port);
    assert.deepEqual(ports(capture), [8080]);
    assert.deepEqual(ports({ ...capture, addresses: ["10.1.0.2"] }), []);
    assert.deepEqual(ports({ ...capture, openPorts: [8080] }), []);
  });
});
