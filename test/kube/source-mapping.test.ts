import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { realClock } from "../../src/app/real-time.ts";
import type { KubeConnection } from "../../src/discovery/io/kubernetes/api-access.ts";
import { openKubeConnection } from "../../src/discovery/io/kubernetes/api-access.ts";
import { skipWithoutKubernetes } from "./binaries.ts";
import { type KubeCluster, startCluster } from "./cluster.ts";
import { setReady } from "./fake-kubelet.ts";
import type { FollowedCluster } from "./support/followed-cluster.ts";
import { followCluster, startFollowing, untilSo } from "./support/followed-cluster.ts";
import { gateTo } from "./support/gate.ts";
import { installServiceExports, type Shop, shopIn } from "./support/objects.ts";
import { makeScenario } from "./support/scenario.ts";

suite("what a source makes of a real cluster", { skip: skipWithoutKubernetes }, () => {
  let cluster: KubeCluster;
  let connection: KubeConnection;
  let shop: AsyncDisposable & Shop;
  let followed: FollowedCluster;

  before(async () => {
    cluster = await startCluster({ name: "mapping" });
    connection = await openKubeConnection(
      { t: "kubeconfig", path: cluster.kubeconfig() },
      { clock: realClock },
    );
    // Before the CRD is there: its kind has to be found later.
    followed = await followCluster({ open: connection.open });
    await untilSo("a word about the missing kind", followed.findings, (found) =>
      found.some(({ code }) => code === "SOURCE_API_KIND_MISSING"),
    );
    await installServiceExports(cluster.api);
    shop = await makeScenario(cluster);
    await settled([
      "10.1.0.1 healthy",
      "10.1.0.2 healthy",
      "10.1.0.3 unhealthy",
      "10.1.0.4 draining",
    ]);
  });
  after(async () => {
    await followed?.[Symbol.asyncDispose]();
    await shop?.[Symbol.asyncDispose]();
    await connection?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  async function settled(web: readonly string[]): Promise<void> {
    const text = JSON.stringify(web);
    await untilSo(
      "the endpoints of web",
      () => followed.endpoints("shop/web"),
      (seen) => JSON.stringify(seen) === text,
    );
  }

  test("endpoints have the zone of their node, the account of their pod and the port behind the named one", () => {
    const web = followed.services.get("shop/web");
    assert.deepEqual(
      web?.endpoints.map(({ workload, zone, serviceAccount, ports }) => ({
        workload,
        zone,
        serviceAccount,
        ports,
      })),
      ["a", "b", "a", ""].map((zone, index) => ({
        workload: `web-${index + 1}`,
        zone,
        serviceAccount: "web",
        ports: { http: 8080, metrics: 9090 },
      })),
    );
    assert.deepEqual(web?.ports, [
      { name: "http", port: 80, protocol: "TCP", appProtocol: "http" },
      { name: "metrics", port: 9090, protocol: "TCP" },
    ]);
    assert.equal(web?.sessionAffinity, "ClientIP");
    assert.equal(web?.trafficDistribution, "PreferSameZone");
  });

  test("a headless service publishes who is not ready, under its own host name", () => {
    const db = followed.services.get("shop/db");
    assert.equal(db?.type, "Headless");
    assert.deepEqual(followed.endpoints("shop/db"), ["10.1.1.1 healthy", "10.1.1.2 healthy"]);
    assert.deepEqual(
      db?.endpoints.map(({ workload }) => workload),
      ["db-0", "db-1"],
    );
  });

  test("workloads without pods are taken from both families, in the zone of their node", () => {
    assert.deepEqual(
      followed.services
        .get("shop/manual")
        ?.endpoints.map(({ workload, address, zone }) => [workload, address, zone]),
      [
        ["10.9.0.1", "10.9.0.1", "b"],
        ["six", "fd00::9", "b"],
      ],
    );
  });

  test("exports hold from their creation on; those that cannot are named", async () => {
    await untilSo(
      "the export of web",
      () => followed.services.get("shop/web")?.exported?.createdAtMs,
      (at) => at !== undefined && Math.abs(at - Date.now()) < 600_000,
    );
    assert.equal(followed.services.has("shop/far"), false);
    await untilSo("findings", followed.findings, (found) => {
      const codes = found.map(({ code, subject }) => `${code} ${subject}`);
      return (
        codes.includes("SOURCE_EXPORT_TYPE_REFUSED ServiceExport/shop/far") &&
        codes.includes("SOURCE_EXPORT_WITHOUT_SERVICE ServiceExport/shop/nobody") &&
        !codes.some((code) => /^SOURCE_API_KIND_MISSING.*serviceexports/i.test(code))
      );
    });
  });

  test("pods are known by address, uid and name; nodes by place; namespaces by name", () => {
    const { pods, nodes, namespaces } = followed.source.cluster;
    const pod = pods.byAddress("10.1.0.2");
    assert.equal(pod?.key, "shop/web-2");
    assert.deepEqual(
      [pod?.serviceAccount, pod?.node, pod?.isReady, pod?.sidecar],
      ["web", "node-b", true, "lacks"],
    );
    assert.equal(pods.byUid(pod?.uid ?? "")?.key, "shop/web-2");
    assert.equal(pods.byKey("shop/web-3")?.isReady, false);
    assert.deepEqual(nodes.get("node-a"), { name: "node-a", zone: "a", region: "east" });
    assert.equal(namespaces.get("shop")?.isTerminating, false);
  });

  test("a zone that a node is given later reaches its endpoints, and one that goes keeps them", async () => {
    const labels = { "topology.kubernetes.io/zone": "c" };
    await cluster.api.call("PATCH", "/api/v1/nodes/node-b", { metadata: { labels } });
    const zones = (): readonly string[] =>
      (followed.services.get("shop/manual")?.endpoints ?? []).map(({ zone }) => zone);
    await untilSo("the new zone", zones, (seen) => seen.every((zone) => zone === "c"));
    await cluster.api.call("PATCH", "/api/v1/nodes/node-b", {
      metadata: { labels: { "topology.kubernetes.io/zone": "b" } },
    });
    await untilSo("the old zone", zones, (seen) => seen.every((zone) => zone === "b"));
  });

  test("a pod that becomes ready serves again, one that is gone is no endpoint", async () => {
    await setReady(cluster.api, { namespace: "shop", name: "web-3", ips: ["10.1.0.3"] });
    await cluster.api.call("DELETE", `${shop.path("pods")}/web-4`, { gracePeriodSeconds: 0 });
    await settled(["10.1.0.1 healthy", "10.1.0.2 healthy", "10.1.0.3 healthy"]);
    assert.equal(followed.source.cluster.pods.byKey("shop/web-4"), undefined);
  });

  test("a source of some namespaces knows nothing of others", async () => {
    await cluster.createNamespace("bank");
    await cluster.api.call("POST", "/api/v1/namespaces/bank/services", {
      metadata: { name: "account" },
      spec: { ports: [{ port: 80 }] },
    });
    await using narrow = await followCluster({ open: connection.open, namespaces: ["bank"] });
    assert.deepEqual([...narrow.services.keys()], ["bank/account"]);
    assert.deepEqual(narrow.findings(), []);
  });

  test("no event is lost while services and endpoints change and connections break", async () => {
    const gate = gateTo(connection.open);
    await using shaken = await followCluster({ open: gate.open });
    await cluster.createNamespace("churn");
    const churn = shopIn(cluster.api, "churn");
    const names = Array.from({ length: 12 }, (_, index) => `s${index}`);
    const alive = new Set<string>();
    for (let turn = 0; turn < 240; turn += 1) {
      const name = names[(turn * 7) % names.length] ?? "";
      if (!alive.has(name)) {
        await churn.service(name, { selector: undefined });
        await churn.slice(`${name}-1`, { service: name, addresses: [`10.2.0.${turn % 250}`] });
        alive.add(name);
      } else if (turn % 11 === 0) {
        await churn.remove("endpointslices", `${name}-1`);
        await churn.remove("services", name);
        alive.delete(name);
      } else await churn.moveSlice(`${name}-1`, [`10.2.1.${turn % 250}`, `10.2.2.${turn % 250}`]);
      if (turn % 30 === 17) gate.cut();
      if (turn === 100) gate.shut();
      if (turn === 140) gate.reopen();
    }
    await using fresh = startFollowing({ open: connection.open });
    await fresh.synced;
    const stateOf = ({ services }: FollowedCluster): string =>
      JSON.stringify([...services.values()].sort((a, b) => (a.id < b.id ? -1 : 1)));
    // What was told last is under way.
    await untilSo(
      "the same state",
      () => stateOf(shaken),
      (state) => state === stateOf(fresh),
    );
    await delay(50);
    assert.equal(stateOf(shaken), stateOf(fresh));
    assert.equal(
      [...shaken.services.keys()].filter((id) => id.startsWith("churn/")).length,
      alive.size,
    );
  });
});
