import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { RunningAgent } from "../../../src/app/agent/agent.ts";
import type { EndpointsAnswer, FindingsAnswer } from "../../../src/app/api-model.ts";
import { until } from "../../kube/admin-client.ts";
import { skipWithoutKubernetes } from "../../kube/binaries.ts";
import { type KubeCluster, startCluster } from "../../kube/cluster.ts";
import { shopIn } from "../../kube/support/objects.ts";
import { TestMesh } from "../support/test-mesh.ts";

suite("an agent whose source is a cluster", { skip: skipWithoutKubernetes }, () => {
  let cluster: KubeCluster;
  let mesh: TestMesh;

  before(async () => {
    cluster = await startCluster({ name: "source", controllers: false, users: { agent: [] } });
    await cluster.createNamespace("shop");
    const shop = shopIn(cluster.api, "shop");
    await shop.service("cart", { selector: undefined });
    await shop.slice("cart-1", { service: "cart", addresses: ["10.0.0.1", "10.0.0.2"] });
    mesh = await TestMesh.open();
    await mesh.issue("east", "us-east-1");
  });
  after(async () => {
    await mesh?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  test("serves what it may read, and keeps it while the API server is away", async () => {
    // With no right at all: it has to find out when it is given them.
    const starting = mesh.startAgent({
      ...mesh.agentConfig("east", "us-east-1", 15_443),
      sources: [{ t: "kubernetes", kubeconfig: cluster.kubeconfig("agent") }],
    });
    await allowReading();
    const agent = await starting;
    await agent.whenWarm;
    assert.deepEqual(await endpoints(agent), ["10.0.0.1:8080", "10.0.0.2:8080"]);

    await cluster.apiServer.kill();
    await until("the agent says so", async () =>
      (await codes(agent)).includes("SOURCE_API_UNREACHABLE"),
    );
    assert.deepEqual(await endpoints(agent), ["10.0.0.1:8080", "10.0.0.2:8080"]);
    await cluster.apiServer.start();
    await shopIn(cluster.api, "shop").moveSlice("cart-1", ["10.0.0.3"]);
    await until(
      "the new endpoint",
      async () => (await endpoints(agent)).join() === "10.0.0.3:8080",
    );
    await until(
      "no word of it",
      async () => !(await codes(agent)).includes("SOURCE_API_UNREACHABLE"),
    );
  });

  async function allowReading(): Promise<void> {
    const rbac = "/apis/rbac.authorization.k8s.io/v1";
    const verbs = ["list", "watch"];
    await cluster.api.call("POST", `${rbac}/clusterroles`, {
      metadata: { name: "agent" },
      rules: [
        { apiGroups: [""], resources: ["services", "pods", "nodes", "namespaces"], verbs },
        { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs },
        { apiGroups: ["multicluster.x-k8s.io"], resources: ["serviceexports"], verbs },
        // What may not be read might narrow what others may offer here: without it nothing is served.
        { apiGroups: ["isthmus.dev"], resources: ["importpolicies"], verbs },
      ],
    });
    await cluster.api.call("POST", `${rbac}/clusterrolebindings`, {
      metadata: { name: "agent" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "agent" },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "agent" }],
    });
  }
});

async function endpoints(agent: RunningAgent): Promise<readonly string[]> {
  const answer = await fetch(`${agent.httpUrl}/api/v1/endpoints?service=shop/cart`);
  const { ports } = (await answer.json()) as { readonly ports: readonly EndpointsAnswer[] };
  return (ports[0]?.endpoints ?? []).map(({ address }) => address).toSorted();
}

async function codes(agent: RunningAgent): Promise<readonly string[]> {
  const answer = await fetch(`${agent.httpUrl}/api/v1/findings`);
  const { findings } = (await answer.json()) as FindingsAnswer;
  return findings.map(({ code }) => code);
}
