import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { realClock } from "../../../../src/app/real-time.ts";
import {
  type KubeConnection,
  openKubeConnection,
} from "../../../../src/discovery/io/kubernetes/api-access.ts";
import { startPolicyAnswers } from "../../../../src/discovery/io/kubernetes/policies/policy-answers.ts";
import type { Programming } from "../../../../src/discovery/policies/import-answer.ts";
import { silentLog } from "../../../app/support/test-mesh.ts";
import { until } from "../../../kube/admin-client.ts";
import { skipWithoutKubernetes } from "../../../kube/binaries.ts";
import { type KubeCluster, startCluster } from "../../../kube/cluster.ts";

interface Answered {
  readonly metadata: { readonly generation: number; readonly resourceVersion: string };
  readonly status?: {
    readonly conditions: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly observedGeneration: number;
    }[];
  };
}

const scopes = "/apis/isthmus.dev/v1alpha1/namespaces/default/scopes";

suite("startPolicyAnswers()", { skip: skipWithoutKubernetes }, () => {
  let cluster: KubeCluster;
  let connection: KubeConnection;
  let isLeader = false;
  let programming: Programming = { t: "waiting" };
  let answers: AsyncDisposable;

  before(async () => {
    cluster = await startCluster({ name: "policies", controllers: false });
    const access = { t: "kubeconfig", path: cluster.kubeconfig() } as const;
    connection = await openKubeConnection(access, { clock: realClock });
    // Before there are any CRDs.
    answers = startPolicyAnswers({
      ...connection,
      isLeader: () => isLeader,
      programmingOf: () => programming,
      clock: realClock,
      random: Math.random,
      log: silentLog,
    });
    await cluster.kubectl(["apply", "--server-side", "-k", "deploy/crds"]);
    await until("scopes are served", async () => (await cluster.api.status(scopes)) === 200);
  });
  after(async () => {
    await answers?.[Symbol.asyncDispose]();
    await connection?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  const write = (name: string, services: readonly string[]): Promise<string> => {
    const metadata = { name, namespace: "default" };
    const body = {
      apiVersion: "isthmus.dev/v1alpha1",
      kind: "Scope",
      metadata,
      spec: { services },
    };
    return cluster.kubectl(["apply", "-f", "-"], { input: JSON.stringify(body) });
  };
  const read = (name: string): Promise<Answered> => cluster.api.call("GET", `${scopes}/${name}`);
  const isAnswered = async (name: string): Promise<boolean> => {
    const { metadata, status } = await read(name);
    return (
      status?.conditions.some(
        ({ observedGeneration }) => observedGeneration === metadata.generation,
      ) ?? false
    );
  };

  test("says of what nobody acts upon that nobody does, once it leads", async () => {
    await write("early", ["shop/*"]);
    await write("other", ["shop/*"]);
    assert.equal((await read("early")).status, undefined);
    isLeader = true;
    await until("both are answered", async () => {
      return (await isAnswered("early")) && (await isAnswered("other"));
    });
    const { status } = await read("early");
    assert.deepEqual(
      status?.conditions.map((one) => `${one.type} ${one.status} ${one.reason}`),
      ["Accepted False NotActedUpon", "Programmed False NotActedUpon"],
    );
  });

  test("says it again of what was changed, and writes nothing without a change", async () => {
    const before = (await read("other")).metadata.resourceVersion;
    await write("early", ["bank/*"]);
    assert.equal((await read("early")).metadata.generation, 2);
    await until("the change is answered", () => isAnswered("early"));
    assert.equal((await read("other")).metadata.resourceVersion, before);
  });

  test("goes on where an API server went away", async () => {
    await cluster.apiServer.restart();
    await write("late", ["shop/*"]);
    await until("the late one is answered", () => isAnswered("late"));
  });

  const policies = "/apis/isthmus.dev/v1alpha1/importpolicies";
  const said = async (): Promise<readonly string[]> => {
    const { status } = await cluster.api.call<Answered>("GET", `${policies}/shop`);
    return (status?.conditions ?? []).map(
      (one) => `${one.type} ${one.status} ${one.reason} ${one.observedGeneration}`,
    );
  };
  const apply = (members: readonly string[]): Promise<string> => {
    const body = {
      apiVersion: "isthmus.dev/v1alpha1",
      kind: "ImportPolicy",
      metadata: { name: "shop" },
      spec: { namespaces: ["shop"], members },
    };
    return cluster.kubectl(["apply", "-f", "-"], { input: JSON.stringify(body) });
  };

  test("says of an import policy when all proxies have it, and with how many", async () => {
    await apply(["east"]);
    programming = { t: "taken", generation: 1, told: 3, acknowledged: 1, isProgrammed: false };
    await until("it is pending", async () => (await said()).includes("Programmed False Pending 1"));
    assert.deepEqual((await said())[0], "Accepted True Accepted 1");
    programming = { t: "taken", generation: 1, told: 3, acknowledged: 3, isProgrammed: true };
    await until("it is programmed", async () =>
      (await said()).includes("Programmed True Programmed 1"),
    );
    const { status } = await cluster.api.call<{ status: { proxies: unknown } }>(
      "GET",
      `${policies}/shop`,
    );
    assert.deepEqual(status.proxies, { told: 3, acknowledged: 3 });
  });

  test("says nothing new of a generation that the agent has not taken in", async () => {
    await apply(["west"]);
    // Answered in a later look than the one before.
    await write("after", ["shop/*"]);
    await until("what came after is answered", () => isAnswered("after"));
    assert.ok((await said()).includes("Programmed True Programmed 1"));
    programming = { t: "taken", generation: 2, told: 3, acknowledged: 3, isProgrammed: true };
    await until("it is programmed", async () =>
      (await said()).includes("Programmed True Programmed 2"),
    );
  });

  test("says of an import policy that no source reads that nobody acts upon it", async () => {
    programming = { t: "unfollowed" };
    await apply(["*"]);
    await until("it is refused", async () =>
      (await said()).includes("Accepted False NotActedUpon 3"),
    );
  });
});
