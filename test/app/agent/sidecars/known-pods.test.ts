import assert from "node:assert/strict";
import { test } from "node:test";
import { createKnownPods } from "../../../../src/app/agent/sidecars/known-pods.ts";
import { createClusterInventory } from "../../../../src/discovery/sources/kubernetes/cluster-inventory.ts";
import { parseNamespace } from "../../../../src/mesh/ids.ts";

const shop = parseNamespace("shop");

function podOf(name: string, change: { labels?: object; container?: string; spec?: object } = {}) {
  const { labels = {}, container = "app", spec = {} } = change;
  return {
    key: `shop/${name}`,
    object: {
      metadata: { uid: name, labels },
      spec: { containers: [{ name: container }], ...spec },
      status: { podIP: "10.0.0.1" },
    },
  };
}

function knownWith(pod: ReturnType<typeof podOf>, label?: string) {
  const inventory = createClusterInventory();
  inventory.take("Pod", { puts: [pod], removed: [] });
  const labels = label === undefined ? {} : { "isthmus.dev/inject": label };
  const namespace = { key: "shop", object: { metadata: { labels } } };
  inventory.take("Namespace", { puts: [namespace], removed: [] });
  return createKnownPods([createClusterInventory(), inventory]);
}

const at = (workload: string, address = "10.0.0.1") => ({ workload, address });
const disabled = { "isthmus.dev/inject": "disabled" };

const claims = [
  ["a pod that was made with one", podOf("w", { container: "isthmus-sidecar" }), undefined, "has"],
  ["a pod that nobody asks for", podOf("w"), undefined, "unasked"],
  ["a pod whose namespace asks", podOf("w"), "enabled", "awaited"],
  [
    "a pod that says no where its namespace asks",
    podOf("w", { labels: disabled }),
    "enabled",
    "unasked",
  ],
  ["a pod on its node's network", podOf("w", { spec: { hostNetwork: true } }), undefined, "unfit"],
] as const;
for (const [claim, pod, label, word] of claims) {
  test(`sidecarOf() ${claim} is ${word}`, () => {
    assert.equal(knownWith(pod, label).sidecarOf(shop, at("w")), word);
  });
}

test("sidecarOf() knows nothing of other names, nor of an address that is not the pod's", () => {
  const known = knownWith(podOf("w"));
  assert.equal(known.sidecarOf(shop, at("v")), undefined);
  assert.equal(known.sidecarOf(shop, at("w", "10.0.0.2")), undefined);
});
