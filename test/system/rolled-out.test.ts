// A changed StatefulSet of agents is applied under load. There is no kubelet: what a pod's image would run is a process here.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { after, before, suite, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { StatusAnswer } from "../../src/app/api-model.ts";
import { askUntil, until } from "../app/support/ask.ts";
import { run } from "../cli/fake-terminal.ts";
import { until as untilSo } from "../kube/admin-client.ts";
import { skipWithoutKubernetes } from "../kube/binaries.ts";
import { type KubeCluster, startCluster } from "../kube/cluster.ts";
import { type Pod, setReady } from "../kube/fake-kubelet.ts";
import { Federation } from "./federation.ts";
import { startLoad } from "./steady-load.ts";

const namespace = "isthmus-system";
const node = "node-1";
const podsPath = `/api/v1/namespaces/${namespace}/pods`;
const parts = { "isthmus-agent-0": "east-agent", "isthmus-agent-1": "east-agent-2" } as const;
type AgentPod = keyof typeof parts;
const binding = `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: process, namespace: ${namespace} }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: isthmus-agent }
subjects: [{ apiGroup: rbac.authorization.k8s.io, kind: User, name: agent }]
`;

suite("a changed StatefulSet of agents under load", {
  skip: skipWithoutKubernetes,
}, () => {
  let cluster: KubeCluster;
  let mesh: Federation;
  const ending = new AbortController();
  /** UIDs of the pods whose processes run. */
  const running = new Map<AgentPod, string>();
  const runs: Promise<void>[] = [];

  before(async () => {
    cluster = await startCluster({ users: { agent: [] } });
    mesh = await Federation.make();
    const kubeconfig = cluster.kubeconfig("agent");
    for (const part of Object.values(parts)) {
      const text = await readFile(mesh.file(`${part}.yaml`), "utf8");
      const lease = `kubernetes: { kubeconfig: "${kubeconfig}", lease: {} }\n`;
      await writeFile(mesh.file(`${part}.yaml`), text + lease);
    }
    await mesh.redis.start();
    // A pod without a node is gone at once when it is deleted.
    await cluster.api.call("POST", "/api/v1/nodes", { metadata: { name: node } });
    await applyWith("registry.example/isthmus:1");
    await cluster.kubectl(["apply", "-f", "-"], { input: binding });
    runs.push(...(Object.keys(parts) as AgentPod[]).map(runPod));
    await mesh.start("west-agent");
    await untilSo("both agents run", () => Promise.resolve(running.size === 2));
    const frontend = await readFile(mesh.file("east-frontend.yaml"), "utf8");
    const { eastXds, eastXds2 } = mesh.ports;
    const agents = `agent: ["127.0.0.1:${eastXds}", "127.0.0.1:${eastXds2}"]`;
    await writeFile(mesh.file("east-frontend.yaml"), frontend.replace(/^agent: .*$/m, agents));
    await mesh.startAll(["west-gateway", "west-cart", "east-frontend"]);
    await askUntil(mesh.url, "cart of west", { allowed: [], mayFail: true });
  });
  after(async () => {
    ending.abort();
    await Promise.race([Promise.all(runs), wait(10_000, undefined, { ref: false })]);
    await mesh?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  async function applyWith(image: string): Promise<void> {
    const words = `install --cloud eks --mesh acme.mesh --member east --region us-east-1
      --hub rediss://hub.example:6379 --gateway-address gw.example --image ${image}`;
    const { out, err, code } = await run(words.split(/\s+/));
    assert.equal(code, 0, err);
    await cluster.kubectl(["apply", "--server-side", "-f", "-"], { input: out });
  }

  /** As a kubelet: what ends is told so and waited for, what is new is ready when it serves proxies. */
  async function runPod(name: AgentPod): Promise<void> {
    const { api } = cluster;
    while (!ending.signal.aborted) {
      await wait(50);
      const pod = await api.call<Pod>("GET", `${podsPath}/${name}`).catch(() => undefined);
      if (pod === undefined) continue;
      const { uid, deletionTimestamp } = pod.metadata;
      if (deletionTimestamp !== undefined) {
        if (running.delete(name)) await mesh.end(parts[name], "SIGTERM");
        const gone = { gracePeriodSeconds: 0, preconditions: { uid } };
        await api.call("DELETE", `${podsPath}/${name}`, gone);
      } else if (running.get(name) !== uid) {
        const target = { apiVersion: "v1", kind: "Node", name: node };
        await api.call("POST", `${podsPath}/${name}/binding`, { metadata: { name }, target });
        await mesh.start(parts[name]);
        running.set(name, uid);
        await setReady(api, { namespace, name, ips: ["10.0.0.1"] });
      }
    }
  }

  const imageOf = async (name: AgentPod): Promise<string | undefined> => {
    type Shown = { readonly spec: { readonly containers: readonly { readonly image: string }[] } };
    const { spec } = await cluster.api.call<Shown>("GET", `${podsPath}/${name}`);
    return spec.containers[0]?.image;
  };

  test("each agent is made anew, one after the other; no request fails, and one of them writes", async () => {
    const before = new Map(running);
    await using load = startLoad(mesh.url);
    await load.more(40);
    const seen = new Set<number>();
    const watching = new AbortController();
    const counting = (async () => {
      while (!watching.signal.aborted) {
        seen.add(running.size);
        await wait(10);
      }
    })();
    await applyWith("registry.example/isthmus:2");
    await untilSo("both are other pods", () => {
      const now = (name: AgentPod): string | undefined => running.get(name);
      return Promise.resolve(
        [...before].every(([name, uid]) => now(name) !== undefined && now(name) !== uid),
      );
    });
    await load.more(40);
    watching.abort();
    await counting;
    assert.deepEqual((await load.stop()).failures, []);
    assert.deepEqual(seen, new Set([2, 1]));
    for (const name of before.keys()) {
      assert.equal(await imageOf(name), "registry.example/isthmus:2");
    }
    const states = await Promise.all(
      [mesh.eastApi, mesh.eastApi2].map((api) =>
        until<StatusAnswer>(
          `${api}/api/v1/status`,
          ({ isWarm, catalog }) => isWarm && ["synced", "standby"].includes(catalog.state),
        ),
      ),
    );
    assert.deepEqual(states.map(({ catalog }) => catalog.state).sort(), ["standby", "synced"]);
  });
});
