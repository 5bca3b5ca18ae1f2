import type { KubeCluster } from "../cluster.ts";
import { setReady, startFakeKubelet } from "../fake-kubelet.ts";
import { type Shop, shopIn } from "./objects.ts";

/** Address of each pod, by name. */
const addresses: Readonly<Record<string, string>> = {
  "web-1": "10.1.0.1",
  "web-2": "10.1.0.2",
  "web-3": "10.1.0.3",
  "web-4": "10.1.0.4",
  "db-0": "10.1.1.1",
  "db-1": "10.1.1.2",
};

// Longer than any test: who drains here goes on draining.
const graceMs = 600_000;

/**
 * One of each that a source has to understand, made by the real controllers: pods in zones and without
 * one, ready, not ready and terminating; a headless set, workloads without pods in two families, an
 * ExternalName, exports that hold and that cannot.
 */
export async function makeScenario(cluster: KubeCluster): Promise<AsyncDisposable & Shop> {
  const { api } = cluster;
  await cluster.createNamespace("shop");
  const shop = shopIn(api, "shop");
  const kubelet = await startFakeKubelet({
    api,
    ipsOf: ({ metadata }) => {
      const ip = addresses[metadata.name];
      return metadata.namespace === "shop" && ip !== undefined ? [ip] : undefined;
    },
    nodes: [
      { name: "node-a", zone: "a", region: "east" },
      { name: "node-b", zone: "b", region: "east" },
      { name: "node-x" },
    ],
    graceMs,
  });
  for (const account of ["web", "db"]) await shop.account(account);
  await makeWeb(shop);
  await makeDb(shop);
  await makeManual(shop);
  await shop.service("far", {
    type: "ExternalName",
    externalName: "far.example",
    selector: undefined,
    ports: undefined,
  });
  for (const name of ["web", "db", "far", "nobody"]) await exportService(cluster, name);
  for (const name of ["web-3", "db-1"]) {
    await untilReady(cluster, name);
    await setReady(api, { namespace: "shop", name, ips: [addresses[name] ?? ""], ready: false });
  }
  await untilReady(cluster, "web-4");
  await shop.remove("pods", "web-4");
  return { ...shop, [Symbol.asyncDispose]: () => kubelet[Symbol.asyncDispose]() };
}

async function makeWeb(shop: Shop): Promise<void> {
  await shop.service("web", {
    ports: [
      { name: "http", port: 80, targetPort: "web", appProtocol: "http" },
      { name: "metrics", port: 9090 },
    ],
    sessionAffinity: "ClientIP",
    trafficDistribution: "PreferSameZone",
  });
  const nodes = ["node-a", "node-b", "node-a", "node-x"];
  for (const [index, nodeName] of nodes.entries()) {
    const spec = { serviceAccountName: "web", nodeName, terminationGracePeriodSeconds: 600 };
    await shop.pod(`web-${index + 1}`, { app: "web", spec });
  }
}

async function makeDb(shop: Shop): Promise<void> {
  await shop.service("db", {
    clusterIP: "None",
    publishNotReadyAddresses: true,
    ports: [{ name: "sql", port: 5432 }],
  });
  for (const name of ["db-0", "db-1"]) {
    const spec = { serviceAccountName: "db", nodeName: "node-b", hostname: name, subdomain: "db" };
    await shop.pod(name, { app: "db", spec });
  }
}

/** Nobody's pods; the zone is only known of the node. */
async function makeManual(shop: Shop): Promise<void> {
  await shop.service("manual", { selector: undefined });
  const endpoint = { nodeName: "node-b" };
  await shop.slice("manual-v4", { service: "manual", addresses: ["10.9.0.1"], endpoint });
  await shop.slice("manual-v6", {
    service: "manual",
    addresses: ["fd00::9"],
    family: "IPv6",
    endpoint: { ...endpoint, hostname: "six" },
  });
}

async function exportService({ api }: KubeCluster, name: string): Promise<void> {
  const path = "/apis/multicluster.x-k8s.io/v1beta1/namespaces/shop/serviceexports";
  await api.call("POST", path, {
    apiVersion: "multicluster.x-k8s.io/v1beta1",
    kind: "ServiceExport",
    metadata: { name },
  });
}

async function untilReady({ api }: KubeCluster, name: string): Promise<void> {
  for (;;) {
    const pod = await api.call<{ status: { podIP?: string } }>(
      "GET",
      `/api/v1/namespaces/shop/pods/${name}`,
    );
    if (pod.status.podIP !== undefined) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
