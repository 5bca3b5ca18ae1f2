import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { realClock } from "../../../../src/app/real-time.ts";
import {
  type KubeConnection,
  openKubeConnection,
} from "../../../../src/discovery/io/kubernetes/api-access.ts";
import { startPolicyAnswers } from "../../../../src/discovery/io/kubernetes/policies/policy-answers.ts";
import { silentLog } from "../../../app/support/test-mesh.ts";
import { until } from "../../../kube/admin-client.ts";
import { skipWithoutKubernetes } from "../../../kube/binaries.ts";
import { type KubeCluster, startCluster } from "../../../kube/cluster.ts";
import { httpRouteCrd } from "../../../kube/support/http-route-crd.ts";

interface Route {
  readonly metadata: { readonly resourceVersion: string };
  readonly status?: {
    readonly parents: readonly {
      readonly parentRef: { readonly kind: string; readonly name: string };
      readonly controllerName: string;
      readonly conditions: readonly Readonly<Record<string, unknown>>[];
    }[];
  };
}

const group = "gateway.networking.k8s.io";
const routes = `/apis/${group}/v1/namespaces/default/httproutes`;
const service = (name: string): object => ({ group: "", kind: "Service", name });
const byUs = "isthmus.dev/agent";

suite("startPolicyAnswers() of HTTPRoutes", { skip: skipWithoutKubernetes }, () => {
  let cluster: KubeCluster;
  let connection: KubeConnection;
  let answers: AsyncDisposable;

  before(async () => {
    cluster = await startCluster({ name: "routes", controllers: false, users: { agent: [] } });
    const access = { t: "kubeconfig", path: cluster.kubeconfig("agent") } as const;
    connection = await openKubeConnection(access, { clock: realClock });
    // Before it may do anything, and before there is any such kind.
    answers = startPolicyAnswers({
      ...connection,
      isLeader: () => true,
      programmingOf: () => ({ t: "waiting" }),
      clock: realClock,
      random: Math.random,
      log: silentLog,
    });
  });
  after(async () => {
    await answers?.[Symbol.asyncDispose]();
    await connection?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  const kubectl = (object: object): Promise<string> =>
    cluster.kubectl(["apply", "-f", "-"], { input: JSON.stringify(object) });
  const write = (name: string, parentRefs: readonly object[]): Promise<string> =>
    kubectl({
      apiVersion: `${group}/v1`,
      kind: "HTTPRoute",
      metadata: { name, namespace: "default" },
      spec: { parentRefs },
    });
  const read = (name: string): Promise<Route> => cluster.api.call("GET", `${routes}/${name}`);
  const said = async (name: string): Promise<readonly string[]> => {
    const { status } = await read(name);
    return (status?.parents ?? []).flatMap(({ parentRef, controllerName, conditions }) =>
      conditions.map(({ type, status, reason, observedGeneration }) =>
        [
          controllerName,
          `${parentRef.kind}/${parentRef.name}`,
          type,
          status,
          reason,
          observedGeneration,
        ].join(" "),
      ),
    );
  };

  test("a definition and a right that come later are noticed", async () => {
    await kubectl(httpRouteCrd);
    await until("routes are served", async () => (await cluster.api.status(routes)) === 200);
    await write("split", [service("cart")]);
    await write("door", [{ name: "door" }]);
    assert.deepEqual(await said("split"), []);
    const metadata = { name: "routes" };
    await kubectl({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata,
      rules: [
        { apiGroups: [group], resources: ["httproutes"], verbs: ["list", "watch"] },
        { apiGroups: [group], resources: ["httproutes/status"], verbs: ["patch"] },
      ],
    });
    await kubectl({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata,
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "routes" },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "agent" }],
    });
    await until("the route is answered", async () => (await said("split")).length > 0);
    assert.deepEqual(await said("split"), [`${byUs} Service/cart Accepted False NotActedUpon 1`]);
  });

  test("a route for a Gateway is not ours to answer", async () => {
    assert.equal((await read("door")).status, undefined);
  });

  test("what another implementation says stays, and nothing is written without a change", async () => {
    const theirs = {
      parentRef: service("cart"),
      controllerName: "example.com/mesh",
      conditions: [
        {
          type: "Accepted",
          status: "True",
          reason: "Accepted",
          message: "",
          observedGeneration: 1,
          lastTransitionTime: "2026-01-01T00:00:00Z",
        },
      ],
    };
    await kubectl({
      apiVersion: `${group}/v1`,
      kind: "HTTPRoute",
      metadata: { name: "shared", namespace: "default" },
      spec: { parentRefs: [service("cart")] },
    });
    await until("it is answered", async () => (await said("shared")).length === 1);
    const parents = [theirs, ...((await read("shared")).status?.parents ?? [])];
    const patch = JSON.stringify({ status: { parents } });
    const how = ["--subresource=status", "--type=merge", `--patch=${patch}`];
    await cluster.kubectl(["patch", "httproute", "shared", ...how]);
    await write("shared", [service("cart"), service("pay")]);
    const other = "example.com/mesh Service/cart Accepted True Accepted 1";
    const ours = ["cart", "pay"].map(
      (name) => `${byUs} Service/${name} Accepted False NotActedUpon 2`,
    );
    await until("both are answered", async () => (await said("shared")).includes(ours[1] ?? ""));
    assert.deepEqual(await said("shared"), [other, ...ours]);
    const before = await read("shared");
    await write("after", [service("cart")]);
    await until("what came after is answered", async () => (await said("after")).length === 1);
    assert.equal((await read("shared")).metadata.resourceVersion, before.metadata.resourceVersion);
  });

  test("what is not for a Service any more is not spoken of any more", async () => {
    await write("shared", [{ name: "door" }]);
    await until("its word is taken back", async () => (await said("shared")).length === 1);
    assert.match((await said("shared"))[0] ?? "", /^example\.com/);
  });
});
