import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { openSources } from "../../../src/app/agent/sources/open-sources.ts";
import { agentRights, type Part } from "../../../src/app/install/agent-rights.ts";
import type { Manifest } from "../../../src/app/install/manifest.ts";
import { readManifests } from "../../../src/app/install/manifest-files.ts";
import { realClock } from "../../../src/app/real-time.ts";
import {
  type KubeConnection,
  openKubeConnection,
} from "../../../src/discovery/io/kubernetes/api-access.ts";
import { startPolicyAnswers } from "../../../src/discovery/io/kubernetes/policies/policy-answers.ts";
import { Secret } from "../../../src/mesh/secret.ts";
import { until } from "../../kube/admin-client.ts";
import { skipWithoutKubernetes } from "../../kube/binaries.ts";
import { type KubeCluster, startCluster } from "../../kube/cluster.ts";
import { httpRouteCrd } from "../../kube/support/http-route-crd.ts";
import { silentLog } from "../support/test-mesh.ts";
import { goodSpecs } from "./policies.ts";
import { usedBy, wordsOf } from "./used-rights.ts";

const namespace = "isthmus-system";
const who = { namespace, name: "isthmus-agent" };

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

function granted(manifests: readonly Manifest[]): readonly string[] {
  const words = manifests.flatMap((manifest) => {
    if (!manifest.kind.endsWith("Role")) return [];
    const place = manifest.metadata.namespace ?? "*";
    return (manifest["rules"] as readonly Rule[]).flatMap((rule) =>
      rule.apiGroups.flatMap((group) =>
        rule.resources.flatMap((resource) =>
          rule.verbs.flatMap((verb) =>
            (rule.resourceNames ?? ["*"]).map(
              (name) => `${place} ${group}/${resource}#${name} ${verb}`,
            ),
          ),
        ),
      ),
    );
  });
  return words.sort();
}

test("rights.yaml grants what agentRights lists, and each right once", () => {
  assert.deepEqual(granted(readManifests("deploy/base")), wordsOf(agentRights));
});

test("gateways are granted nothing", () => {
  const bindings = readManifests("deploy/eks").filter(({ kind }) => kind.endsWith("RoleBinding"));
  const subjects = bindings.flatMap((binding) => binding["subjects"] as readonly object[]);
  assert.deepEqual(
    new Set(subjects.map((subject) => (subject as { name?: string }).name)),
    new Set(["isthmus-agent"]),
  );
});

suite("the agent's rights on a real API server", { skip: skipWithoutKubernetes }, () => {
  let cluster: KubeCluster;
  let connection: KubeConnection;
  let kubeconfig: string;

  before(async () => {
    // Where lists come as watches, the right to list is for nothing; not everywhere do they.
    cluster = await startCluster({ name: "rights", isAudited: true, hasNoWatchList: true });
    await cluster.kubectl(["apply", "--server-side", "-k", "deploy/eks"]);
    const serviceAccount = `/api/v1/namespaces/${namespace}/serviceaccounts/${who.name}`;
    await until(
      "the account exists",
      async () => (await cluster.api.status(serviceAccount)) === 200,
    );
    kubeconfig = await cluster.kubeconfigFor(await cluster.tokenOf(who));
    const access = { t: "kubeconfig", path: kubeconfig } as const;
    connection = await openKubeConnection(access, { clock: realClock });
    await until("the bindings count", () =>
      connection.api.isAllowed({ verb: "list", group: "", resource: "nodes" }),
    );
  });
  after(async () => {
    await connection?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  test("it may do what the table says", async () => {
    for (const { group, resource, verbs, names, isOwnNamespace } of agentRights) {
      for (const verb of verbs) {
        const place = isOwnNamespace ? { namespace } : {};
        const [name] = names ?? [];
        const question = { verb, group, resource, ...place, ...(name ? { name } : {}) };
        assert.ok(await connection.api.isAllowed(question), JSON.stringify(question));
      }
    }
  });

  const never: readonly (readonly [verb: string, group: string, resource: string])[] = [
    ["get", "", "secrets"],
    ["list", "", "secrets"],
    ["get", "", "configmaps"],
    ["create", "", "pods"],
    ["delete", "", "pods"],
    ["create", "", "pods/exec"],
    ["create", "", "serviceaccounts/token"],
    ["impersonate", "", "users"],
    ["patch", "", "nodes"],
    ["patch", "", "namespaces"],
    ["delete", "", "namespaces"],
    ["update", "", "services"],
    ["patch", "", "services/status"],
    ["create", "multicluster.x-k8s.io", "serviceexports"],
    ["delete", "multicluster.x-k8s.io", "serviceexports"],
    ["escalate", "rbac.authorization.k8s.io", "clusterroles"],
    ["bind", "rbac.authorization.k8s.io", "clusterroles"],
    ["create", "rbac.authorization.k8s.io", "clusterrolebindings"],
    ["patch", "apps", "deployments"],
    ["patch", "admissionregistration.k8s.io", "mutatingwebhookconfigurations"],
    ["create", "admissionregistration.k8s.io", "mutatingwebhookconfigurations"],
    ["list", "coordination.k8s.io", "leases"],
    ["patch", "apiextensions.k8s.io", "customresourcedefinitions"],
  ];
  for (const [verb, group, resource] of never) {
    test(`it may not ${verb} ${resource}`, async () => {
      const inside = { verb, group, resource, namespace };
      assert.equal(await connection.api.isAllowed({ verb, group, resource }), false);
      assert.equal(await connection.api.isAllowed(inside), false);
    });
  }

  test("a lease of another name is not its to take", async () => {
    const lease = { group: "coordination.k8s.io", resource: "leases", namespace };
    for (const verb of ["get", "update"]) {
      assert.equal(await connection.api.isAllowed({ ...lease, verb, name: "other" }), false);
    }
  });

  test("its source uses what is granted for it: all, and nothing more", async () => {
    const config = { t: "kubernetes", kubeconfig } as const;
    await using sources = await openSources([config], { clock: realClock, random: Math.random });
    const [source] = sources.all;
    assert.ok(source);
    await using started = source;
    const events = { onChange: () => undefined, onFindings: () => undefined };
    await started.start(events, AbortSignal.timeout(60_000));
    await usedAsGranted("source");
  });

  test("judging a token uses what is granted for it", async () => {
    const token = new Secret(await cluster.tokenOf({ ...who, audiences: ["isthmus"] }));
    const verdict = await connection.api.reviewToken(token, ["isthmus"]);
    assert.equal(verdict.t, "authenticated");
    await usedAsGranted("identity");
  });

  test("answering policies uses what is granted for it", async () => {
    for (const [kind, spec] of Object.entries(goodSpecs)) {
      const body = { apiVersion: "isthmus.dev/v1alpha1", kind, metadata: { name: "any" }, spec };
      await cluster.kubectl(["apply", "-f", "-"], { input: JSON.stringify(body) });
    }
    await cluster.kubectl(["apply", "-f", "-"], { input: JSON.stringify(httpRouteCrd) });
    const routes = "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes";
    await until("routes are served", async () => (await cluster.api.status(routes)) === 200);
    const route = {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "HTTPRoute",
      metadata: { name: "any", namespace: "default" },
      spec: { parentRefs: [{ group: "", kind: "Service", name: "cart" }] },
    };
    await cluster.kubectl(["apply", "-f", "-"], { input: JSON.stringify(route) });
    await using _answers = startPolicyAnswers({
      ...connection,
      isLeader: () => true,
      programmingOf: () => ({ t: "unfollowed" }),
      clock: realClock,
      random: Math.random,
      log: silentLog,
    });
    await usedAsGranted("policies");
  });

  /** By what the API server wrote down of it: what it was refused is not granted either. */
  async function usedAsGranted(part: Part): Promise<void> {
    const wished = wordsOf(agentRights.filter(({ neededBy }) => neededBy === part));
    const others = wordsOf(agentRights.filter(({ neededBy }) => neededBy !== part));
    const unused = async (): Promise<readonly string[]> => {
      const used = await usedBy(cluster);
      return wished.filter((word) => !used.has(word));
    };
    await until("all of it is used", async () => (await unused()).length === 0).catch(() => {});
    assert.deepEqual(await unused(), []);
    const strange = [...(await usedBy(cluster))].filter(
      (word) => !wished.includes(word) && !others.includes(word),
    );
    assert.deepEqual(strange, []);
  }
});
