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

test("readPod() reads what says that a pod has a sidecar, or is to have one", () => {
  const pod = podWith({
    metadata: {
      annotations: { "isthmus.dev/injected": "1.2.3" },
      labels: { "isthmus.dev/inject": "enabled" },
    },
  });
  assert.deepEqual([pod?.isInjected, pod?.injection], [true, "enabled"]);
  assert.deepEqual([podWith({})?.isInjected, podWith({})?.injection], [false, ""]);
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
