import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { RefusedError, until } from "./admin-client.ts";
import { skipWithoutKubernetes } from "./binaries.ts";
import { type KubeCluster, startCluster } from "./cluster.ts";
import { startFakeKubelet } from "./fake-kubelet.ts";

interface Slices {
  readonly items: readonly {
    readonly endpoints: readonly {
      readonly addresses: readonly string[];
      readonly conditions: Readonly<Record<string, boolean>>;
    }[];
  }[];
}

suite("a real Kubernetes", { skip: skipWithoutKubernetes }, () => {
  let east: KubeCluster;
  let west: KubeCluster;

  before(async () => {
    east = await startCluster({ name: "east", users: { eve: ["watchers"] } });
    west = await startCluster({ name: "west", etcd: east.etcd, controllers: false });
  });
  after(async () => {
    await west?.[Symbol.asyncDispose]();
    await east?.[Symbol.asyncDispose]();
  });

  test("two clusters on one etcd know nothing of each other", async () => {
    await east.createNamespace("only-east");
    assert.equal(await west.api.status("/api/v1/namespaces/only-east"), 404);
    const token = await east.tokenOf({ namespace: "only-east", name: "default" });
    const foreign = await reviewOf(west, token);
    assert.notEqual(foreign.authenticated, true);
    assert.equal((await reviewOf(east, token)).authenticated, true);
  });

  test("kubectl speaks as admin, a user without a binding may do nothing", async () => {
    assert.match(await east.kubectl(["version"]), /Server Version: v1\.\d+\.\d+/);
    const asEve = ["--kubeconfig", east.kubeconfig("eve"), "auth", "can-i", "get", "pods"];
    await assert.rejects(east.kubectl(asEve), { stdout: "no\n" });
  });

  test("pods of a deployment become ready endpoints, and leave when they are deleted", async () => {
    await east.createNamespace("shop");
    let last = 0;
    await using _kubelet = await startFakeKubelet({
      api: east.api,
      ipsOf: ({ metadata }) => {
        if (metadata.namespace !== "shop") return undefined;
        last += 1;
        return [`10.0.0.${last}`];
      },
    });
    await east.kubectl(["apply", "--server-side", "-f", "-"], { input: cartManifest });
    const ready = async (): Promise<number> => {
      const path = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";
      const { items } = await east.api.call<Slices>("GET", path);
      const endpoints = items.flatMap((slice) => slice.endpoints);
      return endpoints.filter(({ conditions }) => conditions["ready"]).length;
    };
    await until("three endpoints are ready", async () => (await ready()) === 3);
    await east.kubectl(["-n", "shop", "scale", "deployment/cart", "--replicas=1"]);
    await until("one endpoint is left", async () => (await ready()) === 1);
    assert.ok(last >= 3);
  });

  test("an API server that was killed comes back on its address with what it held", async () => {
    await east.createNamespace("kept");
    await east.apiServer.kill();
    await assert.rejects(east.api.status("/readyz"));
    await east.apiServer.start();
    assert.equal(await east.api.status("/api/v1/namespaces/kept"), 200);
    assert.ok((await east.rssBytes()) > 50e6);
  });

  test("after a compaction and a restart a watch from an old version is told 410", async () => {
    const path = "/api/v1/namespaces/default/configmaps";
    const first = await west.api.call<Created>("POST", path, { metadata: { name: "first" } });
    await west.api.call("POST", path, { metadata: { name: "second" } });
    await west.etcd.compact();
    await west.apiServer.restart();
    const old = `${path}?watch=1&resourceVersion=${first.metadata.resourceVersion}`;
    const told = await firstLine(west, old);
    assert.match(told, /"code":410/);
  });

  test("what is refused is thrown with its status", async () => {
    await assert.rejects(
      east.api.call("GET", "/api/v1/namespaces/none"),
      (error) => error instanceof RefusedError && error.status === 404,
    );
  });
});

interface Created {
  readonly metadata: { readonly resourceVersion: string };
}

async function firstLine(cluster: KubeCluster, path: string): Promise<string> {
  const ending = new AbortController();
  try {
    for await (const line of cluster.api.lines(path, ending.signal)) return line;
    return "";
  } finally {
    ending.abort();
  }
}

async function reviewOf(
  cluster: KubeCluster,
  token: string,
): Promise<{ readonly authenticated?: boolean }> {
  const path = "/apis/authentication.k8s.io/v1/tokenreviews";
  const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec: { token } };
  const answer = await cluster.api.call<{ status: { authenticated?: boolean } }>(
    "POST",
    path,
    body,
  );
  return answer.status;
}

const cartManifest = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: cart, namespace: shop }
spec:
  replicas: 3
  selector: { matchLabels: { app: cart } }
  template:
    metadata: { labels: { app: cart } }
    spec: { containers: [{ name: cart, image: cart }] }
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec:
  selector: { app: cart }
  ports: [{ name: http, port: 80, targetPort: 8080 }]
`;
