import assert from "node:assert/strict";
import { test } from "node:test";
import { PodClaims } from "../../../../src/app/agent/sidecars/pod-claims.ts";
import type { SidecarClaim } from "../../../../src/app/agent/sidecars/sidecar-proofs.ts";
import {
  createPodBook,
  type PodBook,
} from "../../../../src/discovery/sources/kubernetes/pod-book.ts";
import {
  parseMemberName,
  parseMeshDomain,
  parseSpiffeId,
  trustDomainOf,
} from "../../../../src/mesh/ids.ts";
import { parseNode, type SidecarNode } from "../../../../src/proxy/node.ts";

const proof = {
  peer: parseSpiffeId("spiffe://east.acme.mesh/ns/shop/sa/cart"),
  ownTrustDomain: trustDomainOf(parseMemberName("east"), parseMeshDomain("acme.mesh")),
};
const clock = { nowMs: () => 0, monotonicMs: () => 0 };

/** A sidecar of `shop/<workload>` that says it stands at the address. */
function sidecar(workload: string, ...addresses: readonly string[]): SidecarNode {
  const inbound = addresses.map((address, turn) => {
    const host = address.includes(":") ? `[${address}]` : address;
    return {
      endpoint: `${host}:8080`,
      listen: `${host}:15006`,
      app: `127.0.0.1:${8080 + turn}`,
    };
  });
  const metadata = {
    role: "sidecar",
    engine: "embedded",
    namespace: "shop",
    workload,
    serviceAccount: "cart",
    upstreams: [],
    inbound,
  };
  const verdict = parseNode({ id: `sidecar/shop/${workload}/x`, metadata }, proof);
  assert.ok(verdict.t === "ok", JSON.stringify(verdict));
  assert.ok(verdict.node.t === "sidecar");
  return verdict.node;
}

function put(book: PodBook, name: string, addresses: readonly string[]): void {
  book.put({
    key: `shop/${name}`,
    uid: `uid-${name}`,
    serviceAccount: "cart",
    addresses,
    node: "n1",
    isReady: true,
    sidecar: "has",
    injection: "",
    maker: "",
  });
}

function world(...books: readonly PodBook[]): {
  readonly claims: PodClaims;
  /** Addresses that counted, in order. */
  readonly proven: readonly string[];
  readonly warnings: readonly object[];
} {
  const proven: string[] = [];
  const warnings: object[] = [];
  const claims = new PodClaims({
    books,
    onProof: (all: readonly SidecarClaim[]) => {
      proven.push(...all.map(({ endpoint }) => endpoint.host));
    },
    clock,
    log: {
      debug: () => undefined,
      info: () => undefined,
      warn: (fields) => void warnings.push(fields),
      error: () => undefined,
    },
  });
  return { claims, proven, warnings };
}

test("a sidecar proves its own pod's addresses, however they are spelled", () => {
  const book = createPodBook();
  put(book, "cart-1", ["10.0.0.7", "fd00::7"]);
  const { claims, proven, warnings } = world(book);
  claims.open(sidecar("cart-1", "10.0.0.7", "fd00:0::7"));
  assert.equal(proven.length, 2);
  assert.deepEqual(warnings, []);
});

test("another pod's address counts for nothing, and the log names it", () => {
  const book = createPodBook();
  put(book, "cart-1", ["10.0.0.7"]);
  put(book, "cart-2", ["10.0.0.8"]);
  const { claims, proven, warnings } = world(book);
  claims.open(sidecar("cart-1", "10.0.0.7", "10.0.0.8"));
  assert.deepEqual(proven, ["10.0.0.7"]);
  assert.deepEqual(warnings, [{ node: "sidecar/shop/cart-1/x", address: "10.0.0.8" }]);
  // Nor by a name that no pod has, nor an address that nobody has besides one's own.
  claims.open(sidecar("cart", "10.0.0.8"));
  claims.open(sidecar("cart-1", "10.0.0.9"));
  assert.deepEqual(proven, ["10.0.0.7"]);
  assert.equal(warnings.length, 3);
});

test("a pod that its cluster does not know yet stands where it says, as do workloads of files", () => {
  const book = createPodBook();
  put(book, "cart-1", []);
  const { claims, proven } = world(book);
  claims.open(sidecar("cart-1", "10.0.0.7"));
  claims.open(sidecar("machine", "192.168.0.7"));
  assert.deepEqual(proven, ["10.0.0.7", "192.168.0.7"]);
  const none = world();
  none.claims.open(sidecar("cart-1", "10.0.0.8"));
  assert.deepEqual(none.proven, ["10.0.0.8"]);
});

test("at the address of a pod that has just ended it counts as soon as the cluster says so", () => {
  const book = createPodBook();
  put(book, "cart-old", ["10.0.0.7"]);
  const { claims, proven } = world(book);
  claims.open(sidecar("cart-new", "10.0.0.7"));
  claims.look();
  assert.deepEqual(proven, []);
  put(book, "cart-new", ["10.0.0.7"]);
  claims.look();
  assert.deepEqual(proven, ["10.0.0.7"]);
  claims.look();
  assert.deepEqual(proven, ["10.0.0.7"]);
});

test("what waits is forgotten with its stream", () => {
  const book = createPodBook();
  put(book, "cart-old", ["10.0.0.7"]);
  const { claims, proven } = world(book);
  const end = claims.open(sidecar("cart-new", "10.0.0.7"));
  end();
  put(book, "cart-new", ["10.0.0.7"]);
  claims.look();
  assert.deepEqual(proven, []);
});

test("of two clusters that give out one address, one is the sidecar's", () => {
  const [east, west] = [createPodBook(), createPodBook()];
  put(east, "cart-1", ["10.0.0.7"]);
  put(west, "cart-2", ["10.0.0.7"]);
  const { claims, proven } = world(east, west);
  claims.open(sidecar("cart-1", "10.0.0.7"));
  assert.deepEqual(proven, ["10.0.0.7"]);
});
