import assert from "node:assert/strict";
import { test } from "node:test";
import { createExportWatch } from "../../../../src/app/agent/sidecars/export-watch.ts";
import type { PodSidecar } from "../../../../src/app/agent/sidecars/known-pods.ts";
import type { Endpoint, Finding, LocalService } from "../../../../src/mesh/service.ts";
import { endpointOf, serviceOf } from "../../../discovery/support/made.ts";

const exported = { createdAtMs: 1 };
const bare = (index: number): Endpoint => {
  const { sidecars: _none, ...endpoint } = endpointOf(index);
  return endpoint;
};
const cart = (endpoints: readonly Endpoint[] = [bare(1), bare(2)]): LocalService =>
  serviceOf("shop/cart", { endpoints, exported });

function world(change: {
  readonly services?: () => readonly LocalService[];
  readonly sidecar?: PodSidecar;
  readonly refusal?: string;
  readonly isWarm?: boolean;
}): (seconds: number) => readonly Finding[] {
  let nowMs = 0;
  const watch = createExportWatch({
    isWarm: () => change.isWarm ?? true,
    services: change.services ?? (() => [cart()]),
    sidecarOf: () => change.sidecar,
    refusalOf: () => change.refusal,
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
  });
  return (seconds) => {
    watch.look();
    nowMs += seconds * 1000;
    watch.look();
    return watch.findings();
  };
}

test("createExportWatch() names an export whose pods nobody gives a sidecar, after half a minute", () => {
  const after = world({ sidecar: "unasked" });
  assert.deepEqual(after(29), []);
  const [finding, ...others] = after(2);
  assert.deepEqual(others, []);
  assert.equal(`${finding?.code} ${finding?.subject}`, "EXPORT_WITHOUT_SIDECAR shop/cart");
  assert.match(finding?.message ?? "", /^2 of 2 healthy pods .* w-1, w-2$/);
});

test("createExportWatch() says how many are on their node's network", () => {
  const [finding] = world({ sidecar: "unfit" })(31);
  assert.match(finding?.message ?? "", /\(2 on the node's network/);
});

for (const sidecar of ["has", "awaited", undefined] as const) {
  test(`createExportWatch() leaves to others what is ${sidecar ?? "no pod"}`, () => {
    assert.deepEqual(world(sidecar === undefined ? {} : { sidecar })(60), []);
  });
}

test("createExportWatch() says nothing of proven workloads, of unhealthy ones and of what is not exported", () => {
  const proven = cart([endpointOf(1)]);
  const ill = cart([{ ...bare(1), health: "unhealthy" }]);
  const { exported: _none, ...own } = cart();
  for (const service of [proven, ill, own]) {
    assert.deepEqual(world({ sidecar: "unasked", services: () => [service] })(60), []);
  }
});

test("createExportWatch() forgets at once what has a sidecar", () => {
  let services = [cart()];
  const after = world({ sidecar: "unasked", services: () => services });
  assert.equal(after(31).length, 1);
  services = [cart([endpointOf(1)])];
  assert.deepEqual(after(0), []);
});

test("createExportWatch() names at most twenty, and says how many more there are", () => {
  const services = Array.from({ length: 25 }, (_, at) => ({
    ...cart(),
    id: serviceOf(`shop/cart-${at}`).id,
  }));
  const findings = world({ sidecar: "unasked", services: () => services })(31);
  assert.equal(findings.length, 21);
  assert.match(findings.at(-1)?.message ?? "", /^5 more exports/);
});

test("createExportWatch() tells at home what the charter does not allow, once for each namespace", () => {
  const services = [cart(), { ...cart(), id: serviceOf("shop/pay").id }];
  const [finding, ...others] = world({ refusal: "not yours", services: () => services })(0);
  assert.deepEqual(others, []);
  assert.equal(
    `${finding?.code} ${finding?.severity} ${finding?.subject}`,
    "EXPORT_REFUSED error shop",
  );
  assert.match(finding?.message ?? "", /not yours.*--export shop.*shop\/cart, shop\/pay$/);
});

test("createExportWatch() waits for an agent that knows its sources", () => {
  assert.deepEqual(world({ isWarm: false, refusal: "not yours", sidecar: "unasked" })(60), []);
});
