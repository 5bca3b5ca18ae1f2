import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { injectManifest } from "../../../../src/app/install/inject/inject-manifest.ts";
import { listIn, mapIn } from "../../../../src/app/install/inject/pod.ts";
import type { JsonMap } from "../../../../src/mesh/json-map.ts";
import { madeMesh } from "../../../trust/made.ts";
import { cartPod, settingsFor } from "./made-pod.ts";

const settings = settingsFor((await madeMesh()).bundle.pem);
const template = { metadata: { labels: { app: "cart" } }, spec: mapIn(cartPod(), "spec") };
const metadata = { name: "cart", namespace: "shop" };

function sidecarsIn(pod: JsonMap): number {
  const containers = listIn(mapIn(pod, "spec"), "initContainers");
  return containers.filter(({ name }) => name === "isthmus-sidecar").length;
}

describe("injectManifest()", () => {
  for (const kind of ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"]) {
    test(`puts a sidecar into the pods of a ${kind}, once`, () => {
      const once = injectManifest({ kind, metadata, spec: { replicas: 2, template } }, settings);
      const twice = injectManifest(once.manifest, settings);
      assert.deepEqual(twice.manifest, once.manifest);
      const spec = mapIn(twice.manifest, "spec");
      assert.deepEqual([spec["replicas"], sidecarsIn(mapIn(spec, "template"))], [2, 1]);
    });
  }

  test("finds the pods of a CronJob and of a List", () => {
    const job = { kind: "CronJob", metadata, spec: { jobTemplate: { spec: { template } } } };
    const { manifest } = injectManifest({ kind: "List", items: [job, cartPod()] }, settings);
    const [cron = {}, pod = {}] = listIn(manifest, "items");
    const inner = mapIn(mapIn(mapIn(cron, "spec"), "jobTemplate"), "spec");
    assert.deepEqual([sidecarsIn(mapIn(inner, "template")), sidecarsIn(pod)], [1, 1]);
  });

  test("leaves what makes no pods, and says of whom a sidecar cannot be", () => {
    const service = { kind: "Service", metadata, spec: { ports: [] } };
    assert.deepEqual(injectManifest(service, settings), { manifest: service, remarks: [] });
    const daemon = {
      kind: "DaemonSet",
      metadata,
      spec: { template: { ...template, spec: { ...template.spec, hostNetwork: true } } },
    };
    const { manifest, remarks } = injectManifest(daemon, settings);
    assert.deepEqual(manifest, daemon);
    assert.match(remarks.join(), /^DaemonSet shop\/cart: .*host's network/);
  });
});
