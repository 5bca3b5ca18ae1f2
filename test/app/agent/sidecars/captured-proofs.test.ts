import assert from "node:assert/strict";
import { test } from "node:test";
import { claimsIn } from "../../../../src/app/agent/sidecars/claims-in.ts";
import {
  anyPort,
  createSidecarProofs,
  type SidecarClaim,
} from "../../../../src/app/agent/sidecars/sidecar-proofs.ts";
import { parseNamespace, parseServiceId } from "../../../../src/mesh/ids.ts";
import type { LocalService, SidecarProof } from "../../../../src/mesh/service.ts";

const cart: LocalService = {
  id: parseServiceId("shop/cart"),
  type: "ClusterSetIP",
  ports: [
    { name: "http", port: 80, protocol: "TCP" },
    { name: "metrics", port: 90, protocol: "TCP" },
  ],
  endpoints: [
    {
      workload: "cart-1",
      address: "10.0.0.7",
      ports: { http: 8080, metrics: 9100 },
      zone: "a",
      health: "healthy",
      serviceAccount: "cart",
    },
  ],
};
const base = { namespace: parseNamespace("shop"), serviceAccount: "cart" };
const whole = { host: "10.0.0.7", port: anyPort };
const captured: SidecarClaim = { ...base, endpoint: whole, listen: whole, exceptPorts: [9100] };
const door = { host: "10.0.0.7", port: 15_006 };
const single: SidecarClaim = { ...base, endpoint: { host: "10.0.0.7", port: 8080 }, listen: door };

function sidecarsOf(claims: readonly SidecarClaim[]): Readonly<Record<string, SidecarProof>> {
  const proofs = createSidecarProofs();
  for (const claim of claims) proofs.add(claim);
  return proofs.applyTo(cart).endpoints[0]?.sidecars ?? {};
}

test("a captured sidecar stands before every port of its address, at that very port", () => {
  assert.deepEqual(sidecarsOf([captured]), { http: { address: "10.0.0.7", port: 8080 } });
});

test("a sidecar that is started in the other way stands no longer where it stood", () => {
  assert.deepEqual(sidecarsOf([single, captured]), { http: { address: "10.0.0.7", port: 8080 } });
  assert.deepEqual(sidecarsOf([captured, single]), { http: { address: "10.0.0.7", port: 15_006 } });
});

test("another account's claim of the address counts for nothing", () => {
  assert.deepEqual(sidecarsOf([{ ...captured, serviceAccount: "frontend" }]), {});
});

test("the claim is kept for as long as there is a workload at its address", () => {
  const proofs = createSidecarProofs();
  proofs.add(captured);
  proofs.retain([cart], 0);
  assert.equal(proofs.all().length, 1);
  proofs.retain([{ ...cart, endpoints: [] }], 0);
  proofs.retain([{ ...cart, endpoints: [] }], 600_000);
  assert.equal(proofs.all().length, 0);
});

test("claimsIn() reads it back, and nothing in its place", () => {
  assert.deepEqual(claimsIn(JSON.parse(JSON.stringify([captured]))), [captured]);
  for (const exceptPorts of ["9100", [0], [1.5], [70_000], {}]) {
    assert.throws(() => claimsIn([{ ...captured, exceptPorts }]), TypeError);
  }
});
