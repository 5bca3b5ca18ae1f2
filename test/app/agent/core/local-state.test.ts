import assert from "node:assert/strict";
import { test } from "node:test";
import { createLocalState } from "../../../../src/app/agent/core/local-state.ts";
import {
  createSidecarProofs,
  type SidecarClaim,
} from "../../../../src/app/agent/sidecars/sidecar-proofs.ts";
import { parseNamespace, parseServiceId } from "../../../../src/mesh/ids.ts";
import type { LocalService } from "../../../../src/mesh/service.ts";

const cart: LocalService = {
  id: parseServiceId("shop/cart"),
  type: "ClusterSetIP",
  ports: [{ name: "http", port: 80, protocol: "TCP" }],
  endpoints: [
    {
      workload: "cart-1",
      address: "10.0.0.7",
      ports: { http: 8080 },
      zone: "a",
      health: "healthy",
      serviceAccount: "cart",
    },
  ],
};
const claim: SidecarClaim = {
  namespace: parseNamespace("shop"),
  serviceAccount: "cart",
  endpoint: { host: "10.0.0.7", port: 8080 },
  listen: { host: "10.0.0.7", port: 15_006 },
};
const proof = { http: { address: "10.0.0.7", port: 15_006 } };

test("prove() fills in the sidecar of the endpoint it fits, and says which service changed", () => {
  const state = createLocalState(createSidecarProofs());
  state.take("files", { upserts: [cart], removed: [] });
  const change = state.prove([claim]);
  assert.deepEqual(change.upserts[0]?.endpoints[0]?.sidecars, proof);
  assert.deepEqual(state.prove([claim]), { upserts: [], removed: [] }, "nothing new");
});

test("take() applies proofs that came before the endpoint", () => {
  const proofs = createSidecarProofs();
  proofs.add(claim);
  const state = createLocalState(proofs);
  const change = state.take("files", { upserts: [cart], removed: [] });
  assert.deepEqual(change.upserts[0]?.endpoints[0]?.sidecars, proof);
});

for (const [what, wrong] of [
  ["another service account", { serviceAccount: "billing" }],
  ["another namespace", { namespace: parseNamespace("bank") }],
  ["another port", { endpoint: { host: "10.0.0.7", port: 9090 } }],
  ["another address", { endpoint: { host: "10.0.0.8", port: 8080 } }],
] as const) {
  test(`prove() proves nothing for ${what}`, () => {
    const state = createLocalState(createSidecarProofs());
    state.take("files", { upserts: [cart], removed: [] });
    state.prove([{ ...claim, ...wrong }]);
    assert.equal(state.services.get(cart.id)?.endpoints[0]?.sidecars, undefined);
  });
}

test("prove() lets no other account of the namespace displace a proof", () => {
  const proofs = createSidecarProofs();
  const state = createLocalState(proofs);
  state.take("files", { upserts: [cart], removed: [] });
  state.prove([claim]);
  state.prove([{ ...claim, serviceAccount: "billing", listen: { host: "10.0.0.9", port: 9 } }]);
  assert.deepEqual(state.services.get(cart.id)?.endpoints[0]?.sidecars, proof);
  // One account may claim without end; it pushes out its own claims alone.
  for (let port = 1; port <= 30_000; port += 1) {
    proofs.add({ ...claim, serviceAccount: "billing", endpoint: { host: "10.0.0.9", port } });
  }
  assert.deepEqual(proofs.applyTo(cart).endpoints[0]?.sidecars, proof);
  assert.ok(proofs.all().length <= 20_001);
});

test("take() joins the endpoints of two sources and lets go of one source's part", () => {
  const state = createLocalState(createSidecarProofs());
  const [first] = cart.endpoints;
  assert.ok(first);
  const vm = { ...cart, endpoints: [{ ...first, workload: "vm-1", address: "10.9.0.1" }] };
  state.take("files", { upserts: [cart], removed: [] });
  state.take("registration", { upserts: [vm], removed: [] });
  assert.equal(state.services.get(cart.id)?.endpoints.length, 2);
  const change = state.take("files", { upserts: [], removed: [cart.id] });
  assert.deepEqual(
    change.upserts[0]?.endpoints.map(({ workload }) => workload),
    ["vm-1"],
  );
  assert.deepEqual(state.take("registration", { upserts: [], removed: [cart.id] }).removed, [
    cart.id,
  ]);
});

test("an IPv6 address is the same however it is spelled", () => {
  const state = createLocalState(createSidecarProofs());
  const [first] = cart.endpoints;
  assert.ok(first);
  state.take("files", {
    upserts: [{ ...cart, endpoints: [{ ...first, address: "fd00::7" }] }],
    removed: [],
  });
  const change = state.prove([{ ...claim, endpoint: { host: "fd00:0:0:0:0:0:0:7", port: 8080 } }]);
  assert.equal(change.upserts.length, 1);
});

test("retain() forgets proofs whose endpoint has been gone for ten minutes", () => {
  const proofs = createSidecarProofs();
  const other = { ...claim, serviceAccount: "billing" };
  proofs.add(claim);
  proofs.add(other);
  proofs.retain([cart], 0);
  assert.deepEqual(proofs.all(), [claim, other], "a sidecar may be here before its workload");
  proofs.retain([cart], 600_000);
  assert.deepEqual(proofs.all(), [claim]);
  proofs.retain([], 600_001);
  proofs.retain([cart], 700_000);
  proofs.retain([], 1_200_001);
  assert.deepEqual(proofs.all(), [claim], "it was there again in between");
  proofs.retain([], 1_800_001);
  assert.equal(proofs.all().length, 0);
});
