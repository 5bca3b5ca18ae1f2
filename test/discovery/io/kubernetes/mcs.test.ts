import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { parseServiceId } from "../../../../src/mesh/ids.ts";
import { type Json, until } from "../../../kube/admin-client.ts";
import { skipWithoutKubernetes } from "../../../kube/binaries.ts";
import { type KubeCluster, startCluster } from "../../../kube/cluster.ts";
import { east, west } from "../../support/made.ts";
import {
  createExchange,
  type Exchange,
  type McsMember,
  startMember,
} from "./support/mcs-member.ts";
import { type Body, upstreamCrds } from "./support/mcs-objects.ts";

const group = "/apis/multicluster.x-k8s.io/v1beta1";

suite("imports and exports on real API servers", { skip: skipWithoutKubernetes }, () => {
  let eastCluster: KubeCluster;
  let westCluster: KubeCluster;
  let exchange: Exchange;
  let eastMember: McsMember;
  let westMember: McsMember;
  let last = 0;

  before(async () => {
    eastCluster = await startCluster({ name: "east" });
    westCluster = await startCluster({ name: "west", etcd: eastCluster.etcd });
    const ours = ["apply", "--server-side", "-f", "deploy/crds/mcs-serviceexports.yaml"];
    await eastCluster.kubectl([...ours, "-f", "deploy/crds/mcs-serviceimports.yaml"]);
    // The project's own definitions have to do as well.
    await westCluster.kubectl(["apply", "--server-side", "-f", upstreamCrds()]);
    for (const { api } of [eastCluster, westCluster]) {
      await until("the types are served", async () => {
        const paths = ["serviceexports", "serviceimports"].map((plural) => `${group}/${plural}`);
        const found = await Promise.all(paths.map((path) => api.status(path)));
        return found.every((status) => status === 200);
      });
    }
    exchange = createExchange();
    eastMember = await startMember(eastCluster, { member: east, exchange });
    westMember = await startMember(westCluster, { member: west, exchange });
  });
  after(async () => {
    await westMember?.[Symbol.asyncDispose]();
    await eastMember?.[Symbol.asyncDispose]();
    await westCluster?.[Symbol.asyncDispose]();
    await eastCluster?.[Symbol.asyncDispose]();
  });

  /** A namespace of its own for one test, in the clusters named. */
  async function shop(...clusters: readonly KubeCluster[]): Promise<string> {
    last += 1;
    const name = `shop-${last}`;
    for (const cluster of clusters) await cluster.createNamespace(name);
    return name;
  }

  async function serve(
    cluster: KubeCluster,
    wish: {
      readonly namespace: string;
      readonly spec?: Json;
      readonly export?: Json | false;
      readonly address?: string;
    },
  ): Promise<void> {
    const { namespace, spec = {}, address = "10.1.0.1" } = wish;
    const { api } = cluster;
    await api.call("POST", `/api/v1/namespaces/${namespace}/services`, {
      metadata: { name: "cart" },
      spec: { ports: [{ name: "http", port: 80, targetPort: 8080 }], ...spec },
    });
    await api.call("POST", `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, {
      metadata: { name: "cart-1", labels: { "kubernetes.io/service-name": "cart" } },
      addressType: "IPv4",
      ports: [{ name: "http", port: 8080 }],
      endpoints: [{ addresses: [address], conditions: { ready: true }, hostname: "cart-0" }],
    });
    if (wish.export !== false) await offer(cluster, namespace, wish.export);
  }

  async function offer(cluster: KubeCluster, namespace: string, spec: Json = {}): Promise<void> {
    await cluster.api.call("POST", `${group}/namespaces/${namespace}/serviceexports`, {
      apiVersion: "multicluster.x-k8s.io/v1beta1",
      kind: "ServiceExport",
      metadata: { name: "cart" },
      spec,
    });
  }

  function get(cluster: KubeCluster, path: string): Promise<Body | undefined> {
    return cluster.api.call<Body>("GET", path).catch(() => undefined);
  }
  const importIn = (cluster: KubeCluster, namespace: string): Promise<Body | undefined> =>
    get(cluster, `${group}/namespaces/${namespace}/serviceimports/cart`);
  const derivedIn = (cluster: KubeCluster, namespace: string): Promise<Body | undefined> =>
    get(cluster, `/api/v1/namespaces/${namespace}/services/clusterset-cart`);
  const slicesIn = async (cluster: KubeCluster, namespace: string): Promise<readonly Body[]> => {
    const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
    const selector = "labelSelector=multicluster.kubernetes.io/source-cluster";
    const list = await cluster.api.call<{ items: readonly Body[] }>("GET", `${path}?${selector}`);
    return list.items;
  };
  const conditionsOf = (body: Body | undefined): Readonly<Record<string, string>> =>
    Object.fromEntries(
      (body?.status?.conditions ?? []).map(({ type, status, reason }) => [
        type,
        `${status}/${reason}`,
      ]),
    );
  const exportConditions = async (
    cluster: KubeCluster,
    namespace: string,
  ): Promise<Readonly<Record<string, string>>> =>
    conditionsOf(await get(cluster, `${group}/namespaces/${namespace}/serviceexports/cart`));
  const isReady = async (cluster: KubeCluster, namespace: string): Promise<boolean> =>
    conditionsOf(await importIn(cluster, namespace))["Ready"] === "True/Ready";

  test("what one cluster exports appears in both, with an address and a Service behind it", async () => {
    const namespace = await shop(eastCluster, westCluster);
    await serve(eastCluster, { namespace, export: { exportedLabels: { tier: "front" } } });
    for (const cluster of [eastCluster, westCluster]) {
      await until("the import is ready", () => isReady(cluster, namespace));
      const made = await importIn(cluster, namespace);
      const derived = await derivedIn(cluster, namespace);
      assert.deepEqual(made?.spec.ips, derived?.spec["clusterIPs"]);
      assert.equal(made?.spec["type"], "ClusterSetIP");
      assert.deepEqual(made?.spec.ports, [{ name: "http", port: 80, protocol: "TCP" }]);
      assert.equal(made?.metadata.labels?.["tier"], "front");
      assert.deepEqual(made?.status?.clusters, [{ cluster: "east" }]);
      const [slice, ...others] = await slicesIn(cluster, namespace);
      assert.deepEqual(others, []);
      assert.deepEqual(slice?.endpoints?.[0]?.addresses, ["10.1.0.1"]);
    }
    assert.deepEqual(await exportConditions(eastCluster, namespace), {
      Valid: "True/Valid",
      Ready: "True/Exported",
      Conflict: "False/NoConflicts",
    });
    const state = westMember.states.get(parseServiceId(`${namespace}/cart`));
    assert.deepEqual(state?.ips, (await importIn(westCluster, namespace))?.spec.ips);
  });

  test("nothing is written once all is as it should be", async () => {
    const namespace = await shop(eastCluster, westCluster);
    await serve(eastCluster, { namespace });
    await until("all is written", async () => {
      const made = await importIn(westCluster, namespace);
      const isListed = made?.status?.endpointSliceObjects === "Present";
      return isListed && (await isReady(westCluster, namespace));
    });
    const seen = async (): Promise<string> => {
      const bodies = [
        await importIn(westCluster, namespace),
        await derivedIn(westCluster, namespace),
        ...(await slicesIn(westCluster, namespace)),
      ];
      return bodies.map((body) => body?.metadata.resourceVersion).join();
    };
    const before = await seen();
    westMember.controller.touchAll();
    // A later service passes the same queue behind all of them.
    const other = await shop(eastCluster, westCluster);
    await serve(eastCluster, { namespace: other });
    await until("the later import is ready", () => isReady(westCluster, other));
    assert.equal(await seen(), before);
  });

  test("two exports that differ conflict in both clusters, and the older one's word counts", async () => {
    const namespace = await shop(eastCluster, westCluster);
    await serve(eastCluster, { namespace, spec: { sessionAffinity: "ClientIP" } });
    await until("the first import is there", () => isReady(westCluster, namespace));
    // Creation times are whole seconds; east is the first by name, too.
    const ports = [
      { name: "http", port: 8000 },
      { name: "grpc", port: 9000 },
    ];
    await serve(westCluster, { namespace, spec: { ports }, address: "10.2.0.1" });
    const wanted = "True/PortConflict,SessionAffinityConflict";
    for (const cluster of [eastCluster, westCluster]) {
      const conflict = async (): Promise<boolean> =>
        (await exportConditions(cluster, namespace))["Conflict"] === wanted;
      await until("the conflict is told", conflict);
      await until("the ports are united", async () => {
        const made = await importIn(cluster, namespace);
        return made?.spec.ports?.map(({ port }) => port).join() === "80,9000";
      });
      const derived = await derivedIn(cluster, namespace);
      assert.equal(derived?.spec["sessionAffinity"], "ClientIP");
      await until("both are named", async () => {
        const { clusters = [] } = (await importIn(cluster, namespace))?.status ?? {};
        return (
          clusters
            .map((one) => one.cluster)
            .sort()
            .join() === "east,west"
        );
      });
    }
    await westCluster.api.call("DELETE", `${group}/namespaces/${namespace}/serviceexports/cart`);
    await until("the conflict is over", async () => {
      const { Conflict } = await exportConditions(eastCluster, namespace);
      return Conflict === "False/NoConflicts";
    });
    for (const cluster of [eastCluster, westCluster]) {
      await until("only one exports it", async () => {
        const { status, spec } = (await importIn(cluster, namespace)) ?? {};
        return status?.clusters?.length === 1 && spec?.ports?.length === 1;
      });
    }
  });

  test("the last export takes everything with it, and the address stays until then", async () => {
    const namespace = await shop(eastCluster, westCluster);
    await serve(eastCluster, { namespace });
    await until("the import is ready", () => isReady(westCluster, namespace));
    const ips = (await importIn(westCluster, namespace))?.spec.ips;
    await eastCluster.api.call("PATCH", `${group}/namespaces/${namespace}/serviceexports/cart`, {
      spec: { exportedLabels: { tier: "back" } },
    });
    await until("the label is there", async () => {
      const made = await importIn(westCluster, namespace);
      return made?.metadata.labels?.["tier"] === "back";
    });
    await eastCluster.api.call("PATCH", `${group}/namespaces/${namespace}/serviceexports/cart`, {
      spec: { exportedLabels: null },
    });
    await until("the label is gone", async () => {
      const made = await importIn(westCluster, namespace);
      return made !== undefined && made.metadata.labels?.["tier"] === undefined;
    });
    assert.deepEqual((await importIn(westCluster, namespace))?.spec.ips, ips);
    await eastCluster.api.call("DELETE", `${group}/namespaces/${namespace}/serviceexports/cart`);
    for (const cluster of [eastCluster, westCluster]) {
      await until("nothing is left", async () => {
        const left = [await importIn(cluster, namespace), await derivedIn(cluster, namespace)];
        const slices = await slicesIn(cluster, namespace);
        return left.every((body) => body === undefined) && slices.length === 0;
      });
    }
  });

  test("a namespace that is made later gets its imports, one that is in one cluster only does no harm", async () => {
    const namespace = await shop(eastCluster);
    await serve(eastCluster, { namespace });
    await until("its own cluster imports it", () => isReady(eastCluster, namespace));
    assert.equal(await importIn(westCluster, namespace), undefined);
    await westCluster.createNamespace(namespace);
    await until("the other imports it, too", () => isReady(westCluster, namespace));
  });

  test("an export without a Service, and one of an ExternalName Service, are refused until that changes", async () => {
    const namespace = await shop(eastCluster, westCluster);
    await offer(eastCluster, namespace);
    const conditionsAre = (wanted: Readonly<Record<string, string>>): Promise<void> =>
      until(JSON.stringify(wanted), async () => {
        const found = await exportConditions(eastCluster, namespace);
        return Object.entries(wanted).every(([type, value]) => found[type] === value);
      });
    await conditionsAre({ Valid: "False/NoService", Ready: "False/Failed" });
    await eastCluster.api.call("POST", `/api/v1/namespaces/${namespace}/services`, {
      metadata: { name: "cart" },
      spec: { type: "ExternalName", externalName: "example.com" },
    });
    await conditionsAre({ Valid: "False/InvalidServiceType", Ready: "False/Failed" });
    assert.equal(await importIn(westCluster, namespace), undefined);
    await eastCluster.api.call("PATCH", `/api/v1/namespaces/${namespace}/services/cart`, {
      spec: { type: "ClusterIP", externalName: null, ports: [{ name: "http", port: 80 }] },
    });
    await conditionsAre({ Valid: "True/Valid", Ready: "True/Exported" });
    await until("it is imported", () => isReady(westCluster, namespace));
  });

  test("a headless service is imported without an address, its workloads stand in slices", async () => {
    const namespace = await shop(eastCluster, westCluster);
    await serve(eastCluster, { namespace, spec: { clusterIP: "None" } });
    await until("the import is ready", () => isReady(westCluster, namespace));
    const made = await importIn(westCluster, namespace);
    assert.deepEqual([made?.spec["type"], made?.spec.ips], ["Headless", undefined]);
    assert.equal(made?.status?.endpointSliceObjects, "Present");
    assert.equal(await derivedIn(westCluster, namespace), undefined);
    await until("the slice is there", async () => {
      const [slice] = await slicesIn(westCluster, namespace);
      return slice?.endpoints?.[0]?.addresses[0] === "10.1.0.1";
    });
  });

  test("what somebody changes by hand is put right, also what an apply alone would leave", async () => {
    const namespace = await shop(eastCluster, westCluster);
    await serve(eastCluster, { namespace });
    await until("the import is ready", () => isReady(westCluster, namespace));
    const service = `/api/v1/namespaces/${namespace}/services/clusterset-cart`;
    const ports = [
      { name: "http", port: 80 },
      { name: "evil", port: 81 },
    ];
    await westCluster.api.call("PATCH", service, { spec: { ports, selector: { app: "evil" } } });
    await until("the Service is as it was", async () => {
      const derived = await derivedIn(westCluster, namespace);
      return derived?.spec.ports?.length === 1 && derived.spec["selector"] === undefined;
    });
    const path = `${group}/namespaces/${namespace}/serviceimports/cart`;
    await westCluster.api.call("PATCH", path, { spec: { type: "Headless", ips: null } });
    await westCluster.api.call("PATCH", `${path}/status`, {
      status: { clusters: [{ cluster: "east" }, { cluster: "nowhere" }] },
    });
    await until("the import is as it was", async () => {
      const made = await importIn(westCluster, namespace);
      const { status, spec } = made ?? {};
      return (
        spec?.["type"] === "ClusterSetIP" &&
        spec.ips?.length === 1 &&
        status?.clusters?.map((one) => one.cluster).join() === "east"
      );
    });
    await westCluster.api.call("DELETE", service);
    await until("the Service is back, and its address in the import", async () => {
      const derived = await derivedIn(westCluster, namespace);
      const made = await importIn(westCluster, namespace);
      return derived !== undefined && made?.spec.ips?.[0] === derived.spec["clusterIP"];
    });
  });

  test("a user's Service of the derived name stays, and the import says so until it is gone", async () => {
    const namespace = await shop(eastCluster, westCluster);
    const services = `/api/v1/namespaces/${namespace}/services`;
    await westCluster.api.call("POST", services, {
      metadata: { name: "clusterset-cart" },
      spec: { ports: [{ port: 7 }] },
    });
    await serve(eastCluster, { namespace });
    await until("the import waits", async () => {
      const made = await importIn(westCluster, namespace);
      return made?.status?.conditions?.[0]?.message.includes("is not made by isthmus") === true;
    });
    assert.deepEqual(
      (await derivedIn(westCluster, namespace))?.spec.ports?.map(({ port }) => port),
      [7],
    );
    const findings = westMember.controller.findings();
    assert.ok(
      findings.some(
        ({ code, subject }) => code === "MCS_NAME_TAKEN" && subject === `${namespace}/cart`,
      ),
    );
    await westCluster.api.call("DELETE", `${services}/clusterset-cart`);
    await until("the import is ready", () => isReady(westCluster, namespace));
  });

  test("only the leader writes; whoever becomes it does what was left", async () => {
    const namespace = await shop(eastCluster, westCluster);
    await using second = await startMember(westCluster, {
      member: west,
      exchange,
      isLeader: false,
      publishes: false,
    });
    westMember.lease.set(false);
    await serve(eastCluster, { namespace });
    await until("its own cluster imports it", () => isReady(eastCluster, namespace));
    assert.equal(await importIn(westCluster, namespace), undefined);
    second.lease.set(true);
    await until("the second one imports it", () => isReady(westCluster, namespace));
    // Both know its address, whoever wrote it.
    const id = parseServiceId(`${namespace}/cart`);
    await until("the first one knows", () => westMember.states.get(id)?.ips.length === 1);
    second.lease.set(false);
    westMember.lease.set(true);
  });

  test("an agent that does not know all members yet takes nothing away", async () => {
    const namespace = await shop(eastCluster, westCluster);
    await serve(eastCluster, { namespace });
    await until("the import is ready", () => isReady(westCluster, namespace));
    westMember.lease.set(false);
    let isSettled = false;
    await using fresh = await startMember(westCluster, {
      member: west,
      exchange: createExchange(),
      isSettled: () => isSettled,
      publishes: false,
    });
    assert.ok(await isReady(westCluster, namespace));
    isSettled = true;
    fresh.controller.touchAll();
    await until("what nobody exports is gone", async () => {
      return (await importIn(westCluster, namespace)) === undefined;
    });
    fresh.lease.set(false);
    westMember.lease.set(true);
    await until("and comes back with who knows", () => isReady(westCluster, namespace));
  });

  test("a namespace that is deleted takes its imports, and nothing is written into it", async () => {
    const namespace = await shop(eastCluster, westCluster);
    await serve(eastCluster, { namespace });
    await until("the import is ready", () => isReady(westCluster, namespace));
    await westCluster.api.call("DELETE", `/api/v1/namespaces/${namespace}`);
    await until("the namespace is gone", async () => {
      return (await westCluster.api.status(`/api/v1/namespaces/${namespace}`)) === 404;
    });
    assert.ok(await isReady(eastCluster, namespace));
    const refused = westMember.controller
      .findings()
      .filter(({ code }) => code !== "MCS_NAME_TAKEN");
    assert.deepEqual(refused, []);
  });
});
