import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { RunningAgent } from "../../../src/app/agent/agent.ts";
import type { EndpointsAnswer } from "../../../src/app/api-model.ts";
import type { AgentConfig } from "../../../src/app/config/config.ts";
import { until } from "../../kube/admin-client.ts";
import { skipWithoutKubernetes } from "../../kube/binaries.ts";
import { type KubeCluster, startCluster } from "../../kube/cluster.ts";
import { startVm } from "../agent/registration/vm-site.ts";
import { freePorts } from "../support/free-port.ts";
import { TestMesh } from "../support/test-mesh.ts";

const groups = "/apis/isthmus.dev/v1alpha1/namespaces/shop/workloadgroups";

suite("VMs behind a cluster's Service", { skip: skipWithoutKubernetes }, () => {
  let cluster: KubeCluster;
  let mesh: TestMesh;
  let agent: RunningAgent;
  let port = 0;

  before(async () => {
    cluster = await startCluster({ name: "vms", controllers: false });
    await cluster.kubectl(["apply", "--server-side", "-k", "deploy/crds"]);
    await cluster.createNamespace("shop");
    await until("groups are served", async () => (await cluster.api.status(groups)) === 200);
    [port = 0] = await freePorts(1);
    await apply({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "cart", namespace: "shop" },
      spec: { selector: { app: "cart" }, ports: [{ name: "http", port: 80, targetPort: 9090 }] },
    });
    await apply({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        name: "cart-pods",
        namespace: "shop",
        labels: { "kubernetes.io/service-name": "cart" },
      },
      addressType: "IPv4",
      ports: [{ name: "http", port: 9090, protocol: "TCP" }],
      endpoints: [{ addresses: ["10.1.0.1"], conditions: { ready: true } }],
    });
    await applyGroup({ app: "other" });
    mesh = await TestMesh.open();
    await mesh.issue("east", "us-east-1");
    const config = mesh.agentConfig("east", "us-east-1", 15_443);
    const kubeconfig = cluster.kubeconfig();
    const withCluster: AgentConfig = {
      ...config,
      sources: [{ t: "kubernetes", kubeconfig }, { t: "registration" }],
      kubernetes: { access: { kubeconfig } },
    };
    agent = await mesh.startAgent(withCluster);
    await agent.whenWarm;
  });
  after(async () => {
    await mesh?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  const apply = (object: object): Promise<string> =>
    cluster.kubectl(["apply", "-f", "-"], { input: JSON.stringify(object) });
  const applyGroup = (labels: object): Promise<string> =>
    apply({
      apiVersion: "isthmus.dev/v1alpha1",
      kind: "WorkloadGroup",
      metadata: { name: "carts", namespace: "shop" },
      spec: { serviceAccount: "cart", ports: [{ name: "http", port }], labels },
    });
  const accepted = async (): Promise<string> => {
    const { status } = await cluster.api.call<{
      readonly status?: {
        readonly conditions: readonly { type: string; status: string; reason: string }[];
      };
    }>("GET", `${groups}/carts`);
    return (status?.conditions ?? [])
      .map((one) => `${one.type} ${one.status} ${one.reason}`)
      .join();
  };
  const endpoints = async (): Promise<readonly string[]> => {
    const answer = await fetch(`${agent.httpUrl}/api/v1/endpoints?service=shop/cart`);
    const { ports } = (await answer.json()) as { readonly ports: readonly EndpointsAnswer[] };
    return (ports[0]?.endpoints ?? []).map(({ via, health }) => `${via} ${health}`).toSorted();
  };

  test("the group's status says whether anything selects it", async () => {
    await until("nothing does", async () => (await accepted()) === "Accepted True NoService");
    assert.deepEqual(await endpoints(), ["plaintext healthy"]);
    await applyGroup({ app: "cart" });
    await until("the Service does", async () => (await accepted()) === "Accepted True Accepted");
  });

  test("stand there beside its pods, and leave them alone when they go", async () => {
    const vm = await startVm(mesh, {
      name: "vm-1",
      address: "127.0.0.1",
      port,
      agents: [agent.xds],
    });
    const both = ["plaintext healthy", "sidecar healthy"];
    await until("both are there", async () => (await endpoints()).join() === both.join());
    await vm.sidecar.stop({ deadlineMs: 20_000 });
    await until("the pod is", async () => (await endpoints()).join() === "plaintext healthy");
  });
});
