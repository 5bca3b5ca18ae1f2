import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { realClock } from "../../src/app/real-time.ts";
import type { KubeConnection } from "../../src/discovery/io/kubernetes/api-access.ts";
import { openKubeConnection } from "../../src/discovery/io/kubernetes/api-access.ts";
import { skipWithoutKubernetes } from "./binaries.ts";
import { type KubeCluster, startCluster } from "./cluster.ts";
import { type FollowedCluster, followCluster, untilSo } from "./support/followed-cluster.ts";

const code = "SOURCE_POD_NOT_INJECTED";
const podSpec = { containers: [{ name: "app", image: "app" }] };

suite("what a source says of pods that were made without their sidecar", {
  skip: skipWithoutKubernetes,
}, () => {
  let cluster: KubeCluster;
  let connection: KubeConnection;
  let followed: FollowedCluster;

  before(async () => {
    cluster = await startCluster({ name: "bare" });
    await cluster.createNamespace("shop");
    await cluster.createNamespace("bank");
    connection = await openKubeConnection(
      { t: "kubeconfig", path: cluster.kubeconfig() },
      { clock: realClock },
    );
    followed = await followCluster({ open: connection.open });
    const metadata = { labels: { app: "cart" } };
    await cluster.api.call("POST", "/apis/apps/v1/namespaces/shop/deployments", {
      metadata: { name: "cart" },
      spec: {
        replicas: 12,
        selector: { matchLabels: metadata.labels },
        template: { metadata, spec: podSpec },
      },
    });
    await create("shop", { name: "alone" });
    await create("shop", { name: "on-node" }, { hostNetwork: true });
    await untilSo("all pods", podNames, (names) => names.length === 14);
  });
  after(async () => {
    await followed?.[Symbol.asyncDispose]();
    await connection?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  const podNames = (): readonly string[] =>
    [...followed.source.cluster.pods.all()].map(({ key }) => key).sort();

  async function create(namespace: string, metadata: object, spec: object = {}): Promise<void> {
    const path = `/api/v1/namespaces/${namespace}/pods`;
    await cluster.api.call("POST", path, { metadata, spec: { ...podSpec, ...spec } });
  }

  async function say(namespace: string, word: string | null): Promise<void> {
    const metadata = { labels: { "isthmus.dev/inject": word } };
    await cluster.api.call("PATCH", `/api/v1/namespaces/${namespace}`, { metadata });
  }

  const said = (): readonly string[] =>
    followed
      .findings()
      .filter((finding) => finding.code === code)
      .map(({ subject, message }) => `${subject} ${message}`)
      .sort();

  const untilSaid = (what: string, subjects: readonly string[]): Promise<void> =>
    untilSo(what, said, (all) => {
      const found = all.map((line) => line.split(" ")[0]);
      return JSON.stringify(found) === JSON.stringify(subjects);
    });

  test("a namespace that is labelled after its pods: one finding for the Deployment, one for the rest", async () => {
    assert.deepEqual(said(), []);
    await say("shop", "enabled");
    await untilSaid("both", ["Deployment/shop/cart", "Namespace/shop"]);
    const [cart = "", rest = ""] = said();
    assert.match(
      cart,
      /12 pods were made without .*kubectl -n shop rollout restart deployment\/cart\./,
    );
    const examples = podNames()
      .filter((key) => key.startsWith("shop/cart-"))
      .slice(0, 3)
      .map((key) => key.slice("shop/".length));
    assert.ok(cart.endsWith(`Pods: ${examples.join(", ")} and 9 more`), cart);
    assert.ok(rest.endsWith("Pods: alone"), rest);
  });

  test("it goes when the Deployment is made anew with sidecars", async () => {
    const sidecar = { name: "isthmus-sidecar", image: "isthmus-sidecar", restartPolicy: "Always" };
    const path = "/apis/apps/v1/namespaces/shop/deployments/cart";
    const spec = { template: { spec: { initContainers: [sidecar] } } };
    // What the webhook would have put into each pod; without a kubelet the old ones have to be taken away.
    await cluster.api.call("PATCH", path, {
      spec: { strategy: { type: "Recreate", rollingUpdate: null }, ...spec },
    });
    await untilSaid("the rest alone", ["Namespace/shop"]);
  });

  test("a pod's own label asks where its namespace does not, and refuses where it does", async () => {
    await create("bank", { name: "asks", labels: { "isthmus.dev/inject": "enabled" } });
    await untilSaid("both namespaces", ["Namespace/bank", "Namespace/shop"]);
    const labels = { "isthmus.dev/inject": "disabled" };
    await cluster.api.call("PATCH", "/api/v1/namespaces/shop/pods/alone", { metadata: { labels } });
    await untilSaid("the other one", ["Namespace/bank"]);
    await cluster.api.call("DELETE", "/api/v1/namespaces/bank/pods/asks", {
      gracePeriodSeconds: 0,
    });
    await untilSaid("nothing", []);
  });
});
