// Two agents of one member in a cluster: a real API server's Lease says which of them writes.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { after, before, suite, test } from "node:test";
import type { MemberAnswer, StatusAnswer } from "../../src/app/api-model.ts";
import { askUntil, until } from "../app/support/ask.ts";
import { until as untilSo } from "../kube/admin-client.ts";
import { skipWithoutKubernetes } from "../kube/binaries.ts";
import { type KubeCluster, startCluster } from "../kube/cluster.ts";
import { Federation } from "./federation.ts";
import { startLoad } from "./steady-load.ts";

const leasePath = "/apis/coordination.k8s.io/v1/namespaces/isthmus-system/leases/isthmus-agent";
// As deploy/ gives them, and nothing else.
const rights = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: agent, namespace: isthmus-system }
rules:
  - { apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create] }
  - { apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [isthmus-agent], verbs: [get, update] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: agent, namespace: isthmus-system }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: agent }
subjects: [{ apiGroup: rbac.authorization.k8s.io, kind: User, name: agent }]
`;

interface Lease {
  readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
  readonly spec: { readonly holderIdentity: string; readonly renewTime: string };
}

suite("two replicas that elect by a Lease, as processes", { skip: skipWithoutKubernetes }, () => {
  let cluster: KubeCluster;
  let mesh: Federation;

  const leaseNow = (): Promise<Lease> => cluster.api.call<Lease>("GET", leasePath);
  const roleAt = (api: string, wanted: string): Promise<StatusAnswer> =>
    until<StatusAnswer>(`${api}/api/v1/status`, ({ catalog }) => catalog.state === wanted);
  const eastAtWest = async (
    isWanted: (member: MemberAnswer) => boolean,
  ): Promise<MemberAnswer | undefined> => {
    const { members } = await until<{ readonly members: readonly MemberAnswer[] }>(
      `${mesh.westApi}/api/v1/members`,
      (answer) => answer.members.some((one) => one.name === "east" && isWanted(one)),
    );
    return members.find(({ name }) => name === "east");
  };

  before(async () => {
    cluster = await startCluster({ controllers: false, users: { agent: [] } });
    await cluster.createNamespace("isthmus-system");
    await cluster.kubectl(["apply", "-f", "-"], { input: rights });
    mesh = await Federation.make();
    const kubeconfig = cluster.kubeconfig("agent");
    for (const part of ["east-agent", "east-agent-2"] as const) {
      const text = await readFile(mesh.file(`${part}.yaml`), "utf8");
      const lease = `kubernetes: { kubeconfig: "${kubeconfig}", lease: {} }\n`;
      await writeFile(mesh.file(`${part}.yaml`), text + lease);
    }
    await mesh.redis.start();
    await mesh.startAll(["east-agent", "west-agent"]);
    await roleAt(mesh.eastApi, "synced");
    // The frontend is served by the one that waits: to go to another agent would hide what it is sent.
    const frontend = await readFile(mesh.file("east-frontend.yaml"), "utf8");
    await writeFile(
      mesh.file("east-frontend.yaml"),
      frontend.replace(/^agent: .*$/m, `agent: ["127.0.0.1:${mesh.ports.eastXds2}"]`),
    );
    await mesh.startAll(["east-agent-2", "west-gateway", "west-cart", "east-frontend"]);
    await askUntil(mesh.url, "cart of west", { allowed: [], mayFail: true });
  });
  after(async () => {
    await mesh?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  test("one writes and stands in the Lease with its epoch, the other waits; neither complains", async () => {
    const { catalog: writes } = await roleAt(mesh.eastApi, "synced");
    const { catalog: waits, findings, kubernetes } = await roleAt(mesh.eastApi2, "standby");
    const { metadata, spec } = await leaseNow();
    assert.ok(spec.holderIdentity.endsWith(`_${waits.heldBy?.instance}`));
    assert.equal(metadata.annotations["isthmus.dev/epoch"], String(writes.epoch));
    assert.equal(findings.error, 0);
    assert.deepEqual(kubernetes?.lease, {
      name: "isthmus-system/isthmus-agent",
      state: "follower",
      holder: waits.heldBy?.host,
    });
    assert.equal(kubernetes.apiServer.isReachable, true);
  });

  test("a killed leader is replaced; proxies are sent nothing, no request fails", async (t) => {
    await using load = startLoad(mesh.url);
    const before = await eastAtWest(({ lease }) => lease === "live");
    const sent = await Promise.all([mesh.eastApi2, mesh.westApi].map(sentBy));
    const killedAtMs = performance.now();
    await mesh.end("east-agent", "SIGKILL");
    const { catalog } = await roleAt(mesh.eastApi2, "synced");
    t.diagnostic(`the next one writes after ${Math.round(performance.now() - killedAtMs)} ms`);
    const { spec, metadata } = await leaseNow();
    assert.ok(spec.holderIdentity !== "");
    assert.equal(metadata.annotations["isthmus.dev/epoch"], String(catalog.epoch));
    assert.ok(before !== undefined);
    await eastAtWest(({ lease }) => lease === "live");
    await load.more(40);
    assert.deepEqual((await load.stop()).failures, []);
    assert.deepEqual(await Promise.all([mesh.eastApi2, mesh.westApi].map(sentBy)), sent);
  });

  test("back again it waits; the leader that ends in good order hands over without a wait", async () => {
    await mesh.start("east-agent");
    await roleAt(mesh.eastApi, "standby");
    await mesh.end("east-agent-2", "SIGTERM");
    const { catalog } = await roleAt(mesh.eastApi, "synced");
    assert.ok((catalog.epoch ?? 0) > 0);
    await mesh.start("east-agent-2");
    await roleAt(mesh.eastApi2, "standby");
  });

  test("with the API server killed the writer goes on writing, and leads again when it is back", async () => {
    await cluster.apiServer.kill();
    const services = mesh.file("east", "services");
    const { catalog: before } = await roleAt(mesh.eastApi, "synced");
    await writeFile(`${services}/late.yaml`, lateService);
    const seq = (before.seq ?? 0) + 1;
    await until<StatusAnswer>(
      `${mesh.eastApi}/api/v1/status`,
      ({ catalog }) => catalog.seq === seq,
    );
    await roleAt(mesh.eastApi2, "standby");
    await until<StatusAnswer>(
      `${mesh.eastApi}/api/v1/status`,
      ({ kubernetes }) => kubernetes?.apiServer.isReachable === false,
    );
    await cluster.apiServer.start();
    const renewed = async (): Promise<string> => (await leaseNow()).spec.renewTime;
    const old = await renewed();
    await untilSo("it is renewed", async () => (await renewed()) !== old);
    const { catalog: after } = await roleAt(mesh.eastApi, "synced");
    assert.equal(after.epoch, before.epoch);
    await roleAt(mesh.eastApi2, "standby");
  });
});

const lateService = `
apiVersion: v1
kind: Service
metadata: { name: late, namespace: shop }
spec: { ports: [{ name: http, port: 80 }] }
---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: { name: late, namespace: shop }
`;

/** How many xDS responses an agent has sent, by type. */
async function sentBy(api: string): Promise<readonly string[]> {
  const text = await (await fetch(`${api}/metrics`)).text();
  return text.split("\n").filter((line) => line.startsWith("isthmus_xds_responses_total"));
}
