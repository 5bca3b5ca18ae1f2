import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { realClock } from "../../src/app/real-time.ts";
import type { KubeConnection } from "../../src/discovery/io/kubernetes/api-access.ts";
import { openKubeConnection } from "../../src/discovery/io/kubernetes/api-access.ts";
import { skipWithoutKubernetes } from "./binaries.ts";
import { type KubeCluster, startCluster } from "./cluster.ts";
import type { FollowedCluster } from "./support/followed-cluster.ts";
import { followCluster, startFollowing, untilSo } from "./support/followed-cluster.ts";
import { type Gate, gateTo } from "./support/gate.ts";
import { type Shop, shopIn } from "./support/objects.ts";

/** The API server is stopped, restarted and compacted here: no other test may share it. */
suite("a source that follows an API server", { skip: skipWithoutKubernetes }, () => {
  let cluster: KubeCluster;
  let connection: KubeConnection;
  let gate: Gate;
  let shop: Shop;

  before(async () => {
    cluster = await startCluster({ name: "faults", controllers: false, users: { reader: [] } });
    await cluster.createNamespace("shop");
    connection = await openKubeConnection(
      { t: "kubeconfig", path: cluster.kubeconfig() },
      { clock: realClock },
    );
    gate = gateTo(connection.open);
    shop = shopIn(cluster.api, "shop");
    for (const name of ["cart", "paid", "kept"]) {
      await shop.service(name, { selector: undefined });
      await shop.slice(`${name}-1`, { service: name, addresses: ["10.0.0.1", "10.0.0.2"] });
    }
  });
  after(async () => {
    await connection?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  const bothHealthy = ["10.0.0.1 healthy", "10.0.0.2 healthy"];

  /** What the source says from here on about one service. */
  function wordsAbout(followed: FollowedCluster, id: string): () => readonly string[] {
    const from = followed.changes.length;
    return () =>
      followed.changes
        .slice(from)
        .flatMap(({ upserts, removed }) => [
          ...upserts
            .filter((service) => service.id === id)
            .map(({ endpoints }) => `${endpoints.length} endpoints`),
          ...removed.filter((gone) => gone === id).map(() => "removed"),
        ]);
  }

  async function move(name: string, to: string): Promise<void> {
    await shop.moveSlice(`${name}-1`, [to]);
  }

  async function comesTo(
    followed: FollowedCluster,
    id: string,
    expected: readonly string[],
  ): Promise<void> {
    const text = JSON.stringify(expected);
    await untilSo(
      `endpoints of ${id}`,
      () => followed.endpoints(id),
      (seen) => JSON.stringify(seen) === text,
    );
  }

  test("goes on from where it was when a watch is cut off, and says nothing anew", async () => {
    await using followed = await followCluster({ open: gate.open });
    const words = wordsAbout(followed, "shop/kept");
    const lists = (): number =>
      gate.asked.filter((path) => path.includes("slices?") && path.includes("sendInitialEvents"))
        .length;
    const before = lists();
    gate.cut();
    await move("cart", "10.0.1.1");
    await comesTo(followed, "shop/cart", ["10.0.1.1 healthy"]);
    assert.deepEqual(words(), []);
    assert.equal(lists(), before);
    await shop.moveSlice("cart-1", ["10.0.0.1", "10.0.0.2"]);
  });

  for (const how of ["in the stream", "as HTTP status"] as const) {
    test(`reads the list again when history is compacted (410 ${how}), and takes away only what is gone`, async () => {
      await shop.service("brief", { selector: undefined });
      await shop.slice("brief-1", { service: "brief", addresses: ["10.0.9.9"] });
      await using followed = await followCluster({ open: gate.open });
      assert.deepEqual(followed.endpoints("shop/kept"), bothHealthy);
      const words = wordsAbout(followed, "shop/kept");
      gate.shut();
      await move("cart", "10.0.2.1");
      await shop.remove("services", "brief");
      await shop.remove("endpointslices", "brief-1");
      await shop.service("fresh", { selector: undefined });
      await cluster.apiServer.kill();
      await cluster.etcd.compact();
      // Its watch cache would hide the compaction otherwise.
      await cluster.apiServer.start();
      if (how === "as HTTP status") {
        gate.refuse({ status: 410, where: (path) => path.includes("resourceVersion=") });
      }
      gate.reopen();
      await comesTo(followed, "shop/cart", ["10.0.2.1 healthy"]);
      await untilSo(
        "brief is gone",
        () => followed.services.has("shop/brief"),
        (has) => !has,
      );
      await untilSo(
        "fresh is there",
        () => followed.services.has("shop/fresh"),
        (has) => has,
      );
      assert.deepEqual(words(), []);
      assert.deepEqual(followed.endpoints("shop/kept"), bothHealthy);
      gate.refuse(undefined);
      await shop.remove("services", "fresh");
      await shop.moveSlice("cart-1", ["10.0.0.1", "10.0.0.2"]);
    });
  }

  test("keeps all while the API server is away, names it, and is in step after it returns", async () => {
    await using followed = await followCluster({ open: gate.open });
    const from = followed.changes.length;
    await cluster.apiServer.kill();
    await untilSo("a finding", followed.findings, (found) =>
      found.some(({ code }) => code === "SOURCE_API_UNREACHABLE"),
    );
    assert.equal(followed.changes.length, from);
    await cluster.apiServer.start();
    await move("cart", "10.0.3.1");
    await comesTo(followed, "shop/cart", ["10.0.3.1 healthy"]);
    await untilSo("no finding", followed.findings, (found) =>
      found.every(({ code }) => code !== "SOURCE_API_UNREACHABLE"),
    );
    await shop.moveSlice("cart-1", ["10.0.0.1", "10.0.0.2"]);
  });

  test("leaves a connection on which nothing is heard", async () => {
    const limits = { watchSilenceMs: 1500, listSilenceMs: 1500, answerMs: 1500 };
    await using followed = await followCluster({ open: gate.open, limits });
    const asked = gate.asked.length;
    cluster.apiServer.stop();
    try {
      await untilSo(
        "new requests",
        () => gate.asked.length,
        (count) => count > asked,
      );
      await untilSo("a finding", followed.findings, (found) =>
        found.some(({ code }) => code === "SOURCE_API_UNREACHABLE"),
      );
      assert.deepEqual(followed.endpoints("shop/kept"), bothHealthy);
    } finally {
      cluster.apiServer.cont();
    }
    await move("cart", "10.0.4.1");
    await comesTo(followed, "shop/cart", ["10.0.4.1 healthy"]);
    await shop.moveSlice("cart-1", ["10.0.0.1", "10.0.0.2"]);
  });

  test("reads pages where a server refuses to stream lists", async () => {
    gate.refuse({ status: 422, where: (path) => path.includes("sendInitialEvents") });
    await using followed = await followCluster({ open: gate.open });
    assert.ok(gate.asked.some((path) => path.includes("limit=500")));
    assert.deepEqual(followed.endpoints("shop/kept"), bothHealthy);
    await move("cart", "10.0.5.1");
    await comesTo(followed, "shop/cart", ["10.0.5.1 healthy"]);
    gate.refuse(undefined);
    await shop.moveSlice("cart-1", ["10.0.0.1", "10.0.0.2"]);
  });

  suite("as a user with rights of its own", () => {
    const rights = [
      {
        apiGroups: [""],
        resources: ["services", "pods", "nodes", "namespaces"],
        verbs: ["list", "watch"],
      },
      {
        apiGroups: ["multicluster.x-k8s.io"],
        resources: ["serviceexports"],
        verbs: ["list", "watch"],
      },
      { apiGroups: ["isthmus.dev"], resources: ["importpolicies"], verbs: ["list", "watch"] },
    ];
    const slices = {
      apiGroups: ["discovery.k8s.io"],
      resources: ["endpointslices"],
      verbs: ["list", "watch"],
    };
    const rolePath = "/apis/rbac.authorization.k8s.io/v1/clusterroles";

    const allow = (rules: readonly object[]): Promise<unknown> =>
      cluster.api.call("PATCH", `${rolePath}/reader`, { rules });

    before(async () => {
      await cluster.api.call("POST", rolePath, { metadata: { name: "reader" }, rules: [] });
      await cluster.api.call("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
        metadata: { name: "reader" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "reader" },
        subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "reader" }],
      });
    });

    test("names the right that is missing, keeps what it knew, and goes on when it is given back", async () => {
      await allow([...rights, slices]);
      await using own = await openKubeConnection(
        { t: "kubeconfig", path: cluster.kubeconfig("reader") },
        { clock: realClock },
      );
      const door = gateTo(own.open);
      await using followed = startFollowing({ open: door.open });
      await followed.synced;
      const from = followed.changes.length;
      await allow(rights);
      // Open watches go on without the right; the next request is refused.
      door.cut();
      await untilSo("a finding", followed.findings, (found) =>
        found.some(
          ({ code, message }) =>
            code === "SOURCE_API_FORBIDDEN" &&
            /endpointslices\.discovery\.k8s\.io.*list and watch/.test(message),
        ),
      );
      await move("cart", "10.0.6.1");
      assert.equal(followed.changes.length, from);
      await allow([...rights, slices]);
      await comesTo(followed, "shop/cart", ["10.0.6.1 healthy"]);
      await untilSo("no finding", followed.findings, (found) =>
        found.every(({ code }) => code !== "SOURCE_API_FORBIDDEN"),
      );
      await shop.moveSlice("cart-1", ["10.0.0.1", "10.0.0.2"]);
    });

    test("is not synced before it may read all, and says what is missing", async () => {
      await allow(rights);
      await using own = await openKubeConnection(
        { t: "kubeconfig", path: cluster.kubeconfig("reader") },
        { clock: realClock },
      );
      await using followed = startFollowing({ open: own.open });
      await untilSo("a finding", followed.findings, (found) =>
        found.some(({ code }) => code === "SOURCE_API_FORBIDDEN"),
      );
      assert.equal(followed.changes.length, 0);
      await allow([...rights, slices]);
      await followed.synced;
      assert.deepEqual(followed.endpoints("shop/kept"), bothHealthy);
    });
  });

  test("takes a new token when its own has expired, and a new certificate of the API server", async () => {
    const rbac = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    await cluster.api.call("POST", "/api/v1/namespaces/shop/serviceaccounts", {
      metadata: { name: "agent" },
    });
    await cluster.api.call("POST", rbac, {
      metadata: { name: "agent" },
      roleRef: {
        apiGroup: "rbac.authorization.k8s.io",
        kind: "ClusterRole",
        name: "cluster-admin",
      },
      subjects: [{ kind: "ServiceAccount", namespace: "shop", name: "agent" }],
    });
    const folder = join(cluster.dir, "pod");
    await mkdir(folder, { recursive: true });
    const renew = async (): Promise<void> =>
      writeFile(join(folder, "token"), await cluster.tokenOf({ namespace: "shop", name: "agent" }));
    await renew();
    await writeFile(join(folder, "ca.crt"), cluster.ca);
    const address = new URL(cluster.url).host;
    await using own = await openKubeConnection(
      { t: "in-cluster", address, folder },
      { clock: realClock },
    );
    const door = gateTo(own.open);
    await using followed = await followCluster({ open: door.open });
    const from = followed.changes.length;

    // As when it has run out: the server does not know it any more.
    await writeFile(join(folder, "token"), "no-token-of-this-cluster");
    await rm(join(cluster.dir, "pki"), { recursive: true });
    await cluster.apiServer.restart();
    await untilSo("a finding about the certificate", followed.findings, (found) =>
      found.some(({ code }) => code === "SOURCE_API_UNREACHABLE"),
    );
    await writeFile(join(folder, "ca.crt"), readFileSync(cluster.caFile));
    await untilSo("a finding about the token", followed.findings, (found) =>
      found.some(({ code }) => code === "SOURCE_API_UNAUTHENTICATED"),
    );
    assert.equal(followed.changes.length, from);
    await using anew = await openKubeConnection(
      { t: "kubeconfig", path: await adminConfigAnew() },
      { clock: realClock },
    );
    const type = { group: "", version: "v1", resource: "serviceaccounts/agent/token" };
    const answer = await anew.api.create(type, {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      metadata: { name: "", namespace: "shop" },
      spec: { audiences: [], expirationSeconds: 3600 },
    });
    const { token } = answer["status"] as { readonly token: string };
    await writeFile(join(folder, "token"), token);
    await untilSo("no finding", followed.findings, (found) =>
      found.every(({ code }) => !code.startsWith("SOURCE_API_UN")),
    );
    assert.deepEqual(followed.endpoints("shop/kept"), bothHealthy);
  });

  async function adminConfigAnew(): Promise<string> {
    const config = JSON.parse(readFileSync(cluster.kubeconfig(), "utf8")) as {
      clusters: { cluster: Record<string, string> }[];
    };
    for (const each of config.clusters) {
      each.cluster["certificate-authority-data"] = readFileSync(cluster.caFile).toString("base64");
    }
    const path = join(cluster.dir, "anew.kubeconfig");
    await writeFile(path, JSON.stringify(config), { mode: 0o600 });
    return path;
  }
});
