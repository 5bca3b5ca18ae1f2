import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { ClusterInventory } from "../../../../src/discovery/sources/kubernetes/cluster-inventory.ts";
import { createClusterInventory } from "../../../../src/discovery/sources/kubernetes/cluster-inventory.ts";
import type { WatchedKind } from "../../../../src/discovery/sources/kubernetes/kinds.ts";

interface Written {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
}

const golden = join(import.meta.dirname, "golden");
/** Lists as Kubernetes 1.36 wrote them (without `managedFields`); `test/kube/support/scenario.ts` made the objects. */
const recorded = JSON.parse(readFileSync(join(golden, "cluster.json"), "utf8")) as Readonly<
  Record<WatchedKind, readonly Written[]>
>;
const kinds = ["Service", "EndpointSlice", "ServiceExport", "Pod", "Node", "Namespace"] as const;

function keyOf({ metadata }: Written): string {
  return metadata.namespace === undefined
    ? metadata.name
    : `${metadata.namespace}/${metadata.name}`;
}

function put(inventory: ClusterInventory, kind: WatchedKind, object: Written): void {
  inventory.take(kind, { puts: [{ key: keyOf(object), object }], removed: [] });
}

function remove(inventory: ClusterInventory, kind: WatchedKind, key: string): void {
  inventory.take(kind, { puts: [], removed: [key] });
}

function filled(order: readonly WatchedKind[] = kinds): ClusterInventory {
  const inventory = createClusterInventory();
  for (const kind of order) for (const object of recorded[kind]) put(inventory, kind, object);
  return inventory;
}

function objectOf(kind: WatchedKind, name: string): Written {
  const found = recorded[kind].find(({ metadata }) => metadata.name.startsWith(name));
  assert.ok(found !== undefined, name);
  return found;
}

const byId = (a: { readonly id: string }, b: { readonly id: string }): number =>
  a.id < b.id ? -1 : 1;

test("createClusterInventory() makes of a recorded cluster what golden/services.json says", (t) => {
  const inventory = filled();
  const services = inventory.takeChange().upserts.toSorted(byId);
  t.assert.fileSnapshot(
    { services, findings: inventory.findings() },
    join(golden, "services.json"),
  );
});

test("takeChange() gives the same whatever the order in which kinds came", () => {
  const expected = filled().takeChange().upserts.toSorted(byId);
  const found = filled([...kinds].reverse())
    .takeChange()
    .upserts.toSorted(byId);
  assert.deepEqual(found, expected);
});

test("takeChange() says nothing of objects that are written again, or in fields that nobody reads", () => {
  const inventory = filled();
  inventory.takeChange();
  for (const kind of kinds) for (const object of recorded[kind]) put(inventory, kind, object);
  const pod = objectOf("Pod", "web-1");
  put(inventory, "Pod", {
    ...pod,
    status: { ...(pod["status"] as object), qosClass: "Guaranteed" },
  });
  assert.deepEqual(inventory.takeChange(), { upserts: [], removed: [] });
});

test("takeChange() gives the service of a pod whose account is news, and no other", () => {
  const inventory = filled();
  inventory.takeChange();
  const pod = objectOf("Pod", "web-1");
  put(inventory, "Pod", {
    ...pod,
    spec: { ...(pod["spec"] as object), serviceAccountName: "other" },
  });
  const { upserts } = inventory.takeChange();
  assert.deepEqual(
    upserts.map(({ id }) => id),
    ["shop/web"],
  );
  assert.equal(upserts[0]?.endpoints[0]?.serviceAccount, "other");
});

test("a pod that goes before its slice says so keeps its account there", () => {
  const inventory = filled();
  inventory.takeChange();
  remove(inventory, "Pod", "shop/web-1");
  assert.equal(inventory.pods.byKey("shop/web-1"), undefined);
  const service = objectOf("Service", "web");
  put(inventory, "Service", {
    ...service,
    spec: { ...(service["spec"] as object), sessionAffinity: "None" },
  });
  const { upserts } = inventory.takeChange();
  assert.equal(upserts[0]?.endpoints[0]?.serviceAccount, "web");
});

test("an address that no pod beside it has is nobody's, whatever a slice says, until the pod has it", () => {
  const inventory = filled();
  inventory.takeChange();
  const slice = objectOf("EndpointSlice", "web-");
  const [first] = slice["endpoints"] as readonly object[];
  const ownersOf = (): unknown => inventory.takeChange().upserts[0]?.endpoints[0]?.isUnowned;
  put(inventory, "EndpointSlice", {
    ...slice,
    endpoints: [{ ...first, addresses: ["10.9.8.7"] }],
  });
  assert.equal(ownersOf(), true);
  const pod = objectOf("Pod", "web-1");
  const status = { ...(pod["status"] as object), podIP: "10.9.8.7", podIPs: [{ ip: "10.9.8.7" }] };
  put(inventory, "Pod", { ...pod, status });
  assert.equal(ownersOf(), undefined);
});

test("an object that turns invalid keeps its last good content and is reported", () => {
  const inventory = filled();
  inventory.takeChange();
  const slice = objectOf("EndpointSlice", "web-");
  put(inventory, "EndpointSlice", { ...slice, endpoints: [{ addresses: ["not-an-ip"] }] });
  assert.deepEqual(inventory.takeChange(), { upserts: [], removed: [] });
  const found = inventory.findings().filter(({ code }) => code === "SOURCE_OBJECT_INVALID");
  assert.deepEqual(
    found.map(({ subject }) => subject),
    [`EndpointSlice/${keyOf(slice)}`],
  );
  put(inventory, "EndpointSlice", slice);
  inventory.takeChange();
  assert.ok(inventory.findings().every(({ code }) => code !== "SOURCE_OBJECT_INVALID"));
});

test("what stands for other clusters is left out, also when it is labelled so later", () => {
  const inventory = filled();
  inventory.takeChange();
  const service = objectOf("Service", "web");
  const labels = { "multicluster.kubernetes.io/service-name": "web" };
  put(inventory, "Service", { ...service, metadata: { ...service.metadata, labels } as never });
  assert.deepEqual(inventory.takeChange().removed, ["shop/web"]);
});

test("fields of a newer API version are no findings, misspelt annotations are", () => {
  const inventory = filled();
  const service = objectOf("Service", "web");
  const annotations = { "isthmus.dev/servce-account": "web" };
  put(inventory, "Service", {
    ...service,
    news: 1,
    metadata: { ...service.metadata, annotations } as never,
  });
  inventory.takeChange();
  const found = inventory.findings().filter(({ code }) => code === "SOURCE_FIELD_UNKNOWN");
  assert.equal(found.length, 1);
  assert.match(found[0]?.message ?? "", /servce-account/);
});

test("takeChange() removes all services when all objects go", () => {
  const inventory = filled();
  const { upserts } = inventory.takeChange();
  for (const kind of kinds) {
    inventory.take(kind, { puts: [], removed: recorded[kind].map(keyOf) });
  }
  const { removed } = inventory.takeChange();
  assert.deepEqual(removed.toSorted(), upserts.map(({ id }) => id).toSorted());
  assert.deepEqual(inventory.findings(), []);
  assert.deepEqual([...inventory.pods.all()], []);
});
