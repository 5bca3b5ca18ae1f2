import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { after, before, suite, test } from "node:test";
import type { FindingsAnswer, StatusAnswer } from "../../../src/app/api-model.ts";
import { until } from "../../kube/admin-client.ts";
import { skipWithoutKubernetes } from "../../kube/binaries.ts";
import { type KubeCluster, startCluster } from "../../kube/cluster.ts";
import { freePorts } from "../support/free-port.ts";
import { local, TestMesh } from "../support/test-mesh.ts";

interface Import {
  readonly spec: { readonly ips?: readonly string[] };
  readonly status?: {
    readonly clusters?: readonly { readonly cluster: string }[];
    readonly conditions?: readonly { readonly type: string; readonly reason: string }[];
  };
}

const group = "/apis/multicluster.x-k8s.io/v1beta1";
const name = "cart.shop.svc.clusterset.local";

suite("two agents with real API servers", { skip: skipWithoutKubernetes }, () => {
  const clusters = new Map<string, KubeCluster>();
  const apis = new Map<string, string>();
  let mesh: TestMesh;
  let dnsPort = 0;

  before(async () => {
    const east = await startCluster({ name: "east" });
    clusters.set("east", east);
    clusters.set("west", await startCluster({ name: "west", etcd: east.etcd }));
    mesh = await TestMesh.open();
    [dnsPort = 0] = await freePorts(1);
    const places = { east: "us-east-1", west: "europe-west4" };
    for (const [member, region] of Object.entries(places)) await mesh.issue(member, region);
    for (const [member, region] of Object.entries(places)) {
      const cluster = clusterOf(member);
      for (const file of ["mcs-serviceexports", "mcs-serviceimports"]) {
        await cluster.kubectl(["apply", "--server-side", "-f", `deploy/crds/${file}.yaml`]);
      }
      for (const namespace of ["shop", "private"]) await cluster.createNamespace(namespace);
      const kubeconfig = cluster.kubeconfig();
      const agent = await mesh.startAgent({
        ...mesh.agentConfig(member, region, 15_443),
        sources: [{ t: "kubernetes", kubeconfig }],
        kubernetes: {
          access: { kubeconfig },
          mcs: { endpointSlices: "reachable" },
          ...(member === "west"
            ? { dns: { listen: local(dnsPort), zone: "clusterset.local" } }
            : {}),
        },
      });
      apis.set(member, agent.httpUrl);
    }
  });
  after(async () => {
    await mesh?.[Symbol.asyncDispose]();
    for (const cluster of [...clusters.values()].reverse()) await cluster[Symbol.asyncDispose]();
  });

  function clusterOf(member: string): KubeCluster {
    const cluster = clusters.get(member);
    if (cluster === undefined) throw new RangeError(`There is no ${member}`);
    return cluster;
  }

  async function ask<Answer>(member: string, about: string): Promise<Answer> {
    const answer = await fetch(`${apis.get(member)}/api/v1/${about}`);
    return (await answer.json()) as Answer;
  }

  async function serve(member: string, namespace: string, spec: object = {}): Promise<void> {
    const { api } = clusterOf(member);
    await api.call("POST", `/api/v1/namespaces/${namespace}/services`, {
      metadata: { name: "cart" },
      spec: { ports: [{ name: "http", port: 80 }], ...spec },
    });
    await api.call("POST", `${group}/namespaces/${namespace}/serviceexports`, {
      apiVersion: "multicluster.x-k8s.io/v1beta1",
      kind: "ServiceExport",
      metadata: { name: "cart" },
    });
  }

  const find = (member: string, kind: string, namespace = "shop"): Promise<Import | undefined> =>
    clusterOf(member)
      .api.call<Import>("GET", `${group}/namespaces/${namespace}/${kind}/cart`)
      .catch(() => undefined);
  const reasonOf = (body: Import | undefined, type: string): string | undefined =>
    body?.status?.conditions?.find((one) => one.type === type)?.reason;

  function resolve(): Promise<readonly string[]> {
    const resolver = new Resolver({ timeout: 5000, tries: 2 });
    resolver.setServers([`127.0.0.1:${dnsPort}`]);
    return resolver.resolve4(name);
  }

  test("an export of one is imported by the other through the catalog, and its name leads to the import", async () => {
    await serve("east", "shop");
    await until("west has an address for it", async () => {
      const found = await find("west", "serviceimports");
      return found?.spec.ips?.length === 1 && reasonOf(found, "Ready") === "Ready";
    });
    const found = await find("west", "serviceimports");
    assert.deepEqual(found?.status?.clusters, [{ cluster: "east" }]);
    await until("the name is answered", async () => {
      return (await resolve()).join() === found?.spec.ips?.join();
    });
    await until("east is told that it is exported", async () => {
      return reasonOf(await find("east", "serviceexports"), "Ready") === "Exported";
    });
  });

  test("both exporters are told of a conflict", async () => {
    await serve("west", "shop", { ports: [{ name: "http", port: 8080 }] });
    for (const member of ["east", "west"]) {
      await until(`${member} is told of it`, async () => {
        return reasonOf(await find(member, "serviceexports"), "Conflict") === "PortConflict";
      });
    }
    await clusterOf("west").api.call("DELETE", `${group}/namespaces/shop/serviceexports/cart`);
    await until("east is told that it is over", async () => {
      return reasonOf(await find("east", "serviceexports"), "Conflict") === "NoConflicts";
    });
  });

  test("an export that the charter does not allow is pending, and nobody else imports it", async () => {
    await serve("east", "private");
    await until("east is told", async () => {
      return reasonOf(await find("east", "serviceexports", "private"), "Ready") === "Pending";
    });
    assert.equal(await find("west", "serviceimports", "private"), undefined);
    await until("its own agent says so", async () => {
      const { findings } = await ask<FindingsAnswer>("east", "findings");
      return findings.some((one) => one.code === "EXPORT_REFUSED" && one.subject === "private");
    });
  });

  test("status says how the API server answers, and what is imported", async () => {
    const { kubernetes } = await ask<StatusAnswer>("west", "status");
    assert.equal(kubernetes?.apiServer.url, clusterOf("west").url);
    assert.equal(kubernetes.apiServer.isReachable, true);
    assert.deepEqual(kubernetes.imports, { isKnown: true, imports: 1, waiting: 0 });
  });

  test("the last export takes the import and its name with it", async () => {
    await clusterOf("east").api.call("DELETE", `${group}/namespaces/shop/serviceexports/cart`);
    for (const member of ["east", "west"]) {
      await until(`${member} has no import`, async () => {
        return (await find(member, "serviceimports")) === undefined;
      });
    }
    await until("the name is gone", async () => {
      const failure: unknown = await resolve().catch((thrown: unknown) => thrown);
      return failure instanceof Error && "code" in failure && failure.code === "ENOTFOUND";
    });
  });
});
