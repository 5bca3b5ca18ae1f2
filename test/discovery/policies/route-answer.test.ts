import assert from "node:assert/strict";
import { test } from "node:test";
import {
  routeController,
  routeStatusPatch,
  seenRoute,
} from "../../../src/discovery/policies/route-answer.ts";

const now = new Date("2026-11-21T12:00:00.123Z");
const cart = { group: "", kind: "Service", name: "cart", port: 80 };
const pay = { group: "", kind: "Service", name: "pay" };
const gateway = { group: "gateway.networking.k8s.io", kind: "Gateway", name: "door" };

interface Patch {
  readonly metadata: { readonly resourceVersion: string };
  readonly status: {
    readonly parents: readonly {
      readonly parentRef: object;
      readonly controllerName: string;
      readonly conditions: readonly Readonly<Record<string, unknown>>[];
    }[];
  };
}

function patchOf(
  parentRefs: unknown,
  { status, generation = 1 }: { readonly status?: unknown; readonly generation?: number } = {},
): Patch | undefined {
  const metadata = { name: "split", namespace: "shop", generation, resourceVersion: "7" };
  const seen = seenRoute({ metadata, spec: { parentRefs }, status });
  assert.ok(seen);
  return routeStatusPatch(seen, now) as Patch | undefined;
}

test("routeStatusPatch() refuses each Service that a route is for, and no Gateway", () => {
  const { status, metadata } = patchOf([cart, gateway, pay]) ?? assert.fail();
  assert.deepEqual(
    status.parents.map(({ parentRef }) => parentRef),
    [cart, pay],
  );
  assert.equal(metadata.resourceVersion, "7");
  const [condition] = status.parents[0]?.conditions ?? [];
  assert.deepEqual(
    [condition?.["type"], condition?.["status"], condition?.["reason"]],
    ["Accepted", "False", "NotActedUpon"],
  );
  assert.equal(condition?.["lastTransitionTime"], "2026-11-21T12:00:00Z");
});

test("routeStatusPatch() has nothing to say of a route for Gateways alone, or of none", () => {
  for (const refs of [[gateway], [], undefined, "cart", [null, 3]]) {
    assert.equal(patchOf(refs), undefined);
  }
});

test("routeStatusPatch() has nothing to write where it stands already", () => {
  const { status } = patchOf([cart, pay]) ?? assert.fail();
  assert.equal(patchOf([cart, pay], { status }), undefined);
});

test("routeStatusPatch() speaks again of another generation, and leaves the time of what was so", () => {
  const lastTransitionTime = "2026-01-01T00:00:00Z";
  const { status } = patchOf([cart]) ?? assert.fail();
  const parents = status.parents.map((parent) => ({
    ...parent,
    conditions: parent.conditions.map((one) => ({ ...one, lastTransitionTime })),
  }));
  const again = patchOf([cart], { status: { parents }, generation: 2 });
  const [condition] = again?.status.parents[0]?.conditions ?? [];
  assert.deepEqual(
    [condition?.["observedGeneration"], condition?.["lastTransitionTime"]],
    [2, lastTransitionTime],
  );
});

test("routeStatusPatch() leaves what others say, and takes back its word of what the route left", () => {
  const theirs = { parentRef: cart, controllerName: "example.com/mesh", conditions: [] };
  const said = patchOf([cart], { status: { parents: [theirs] } });
  assert.deepEqual(said?.status.parents[0], theirs);
  assert.equal(said?.status.parents[1]?.controllerName, routeController);
  const left = patchOf([gateway], { status: said?.status });
  assert.deepEqual(left?.status.parents, [theirs]);
});

test("routeStatusPatch() has no room beside thirty-two others", () => {
  const theirs = { parentRef: cart, controllerName: "example.com/mesh", conditions: [] };
  const parents = Array.from({ length: 31 }, () => theirs);
  assert.equal(patchOf([cart, pay], { status: { parents } })?.status.parents.length, 32);
  assert.equal(patchOf([cart], { status: { parents: [...parents, theirs] } }), undefined);
});
