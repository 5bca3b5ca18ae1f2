import assert from "node:assert/strict";
import { test } from "node:test";
import { createPodBook } from "../../../../src/discovery/sources/kubernetes/pod-book.ts";
import { type KubePod, readPod } from "../../../../src/discovery/sources/kubernetes/pods.ts";

const running = { podIP: "10.0.0.1", podIPs: [{ ip: "10.0.0.1" }, { ip: "FD00:0::1" }] };

function podWith(parts: {
  readonly metadata?: object;
  readonly spec?: object;
  readonly status?: object;
}): KubePod | undefined {
  return readPod("shop/a", {
    metadata: { name: "a", namespace: "shop", uid: "u1", ...parts.metadata },
    spec: { serviceAccountName: "cart", nodeName: "n1", ...parts.spec },
    status: { ...running, ...parts.status },
  });
}

test("readPod() gives both addresses, in canonical form", () => {
  assert.deepEqual(podWith({})?.addresses, ["10.0.0.1", "fd00::1"]);
});

for (const [what, parts] of [
  ["on its node's network", { spec: { hostNetwork: true } }],
  ["that succeeded", { status: { phase: "Succeeded" } }],
  ["that failed", { status: { phase: "Failed" } }],
] as const) {
  test(`readPod() gives a pod ${what} no address: it is not its own`, () => {
    assert.deepEqual(podWith(parts)?.addresses, []);
  });
}

const sidecar = { name: "isthmus-sidecar", image: "isthmus-sidecar:1" };
const sidecars: readonly (readonly [string, Parameters<typeof podWith>[0], KubePod["sidecar"]])[] =
  [
    ["of today", { spec: { initContainers: [sidecar] } }, "has"],
    ["of an older way", { spec: { containers: [sidecar] } }, "has"],
    [
      "copied by its annotation only",
      { metadata: { annotations: { "isthmus.dev/injected": "1" } } },
      "lacks",
    ],
    ["on its node's network", { spec: { hostNetwork: true } }, "cannot"],
    ["on Windows", { spec: { os: { name: "windows" } } }, "cannot"],
    ["after its end", { status: { phase: "Succeeded" } }, "cannot"],
    ["at its end", { metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" } }, "cannot"],
  ];
for (const [what, parts, expected] of sidecars) {
  test(`readPod() tells a sidecar ${what}: ${expected}`, () => {
    assert.equal(podWith(parts)?.sidecar, expected);
  });
}

const owned = (kind: string, owner: string, labels = {}): object => ({
  ownerReferences: [
    { kind: "Node", name: "n1" },
    { kind, name: owner, controller: true },
  ],
  labels,
});
const makers: readonly (readonly [string, object, string])[] = [
  [
    "a Deployment",
    owned("ReplicaSet", "cart-5f7", { "pod-template-hash": "5f7" }),
    "Deployment/cart",
  ],
  ["a ReplicaSet", owned("ReplicaSet", "cart-5f7"), ""],
  ["a StatefulSet", owned("StatefulSet", "db"), "StatefulSet/db"],
  ["a DaemonSet", owned("DaemonSet", "logs"), "DaemonSet/logs"],
  ["a Job", owned("Job", "nightly-1"), ""],
  ["nobody", {}, ""],
  ["a name that is none", owned("DaemonSet", "x; rm -r /"), ""],
];
for (const [what, metadata, expected] of makers) {
  test(`readPod() names what to restart for a pod of ${what}`, () => {
    assert.equal(podWith({ metadata })?.maker, expected);
    assert.equal(podWith({ metadata, spec: { initContainers: [sidecar] } })?.maker, "");
  });
}

test("readPod() reads what its label says of sidecars", () => {
  const labels = { "isthmus.dev/inject": "enabled" };
  assert.equal(podWith({ metadata: { labels } })?.injection, "enabled");
  assert.equal(podWith({})?.injection, "");
});

test("readPod() takes no service account that could be part of another identity", () => {
  assert.equal(podWith({ spec: { serviceAccountName: "a/sa/b" } }), undefined);
});

function pod(key: string, addresses: readonly string[]): KubePod {
  const read = readPod(key, {
    metadata: { uid: `uid-${key}` },
    spec: {},
    status: { podIPs: addresses.map((ip) => ({ ip })) },
  });
  assert.ok(read !== undefined);
  return read;
}

test("byAddress() names nobody while two pods claim one address", () => {
  const book = createPodBook();
  book.put(pod("shop/a", ["10.0.0.1"]));
  assert.equal(book.byAddress("10.0.0.1")?.key, "shop/a");
  book.put(pod("shop/b", ["10.0.0.1"]));
  assert.equal(book.byAddress("10.0.0.1"), undefined);
  book.remove("shop/a");
  assert.equal(book.byAddress("10.0.0.1")?.key, "shop/b");
});

test("a pod that is made anew under its name is found by its new uid and address only", () => {
  const book = createPodBook();
  book.put(pod("shop/a", ["10.0.0.1"]));
  const next = { ...pod("shop/a", ["10.0.0.2"]), uid: "uid-2" };
  assert.ok(book.put(next));
  assert.ok(!book.put({ ...next }));
  assert.equal(book.byUid("uid-shop/a"), undefined);
  assert.equal(book.byAddress("10.0.0.1"), undefined);
  assert.equal(book.byUid("uid-2"), book.byAddress("10.0.0.2"));
});
