import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { realClock } from "../../../../src/app/real-time.ts";
import {
  type ApiAccess,
  type KubeConnection,
  openKubeConnection,
} from "../../../../src/discovery/io/kubernetes/api-access.ts";
import type { ErrorCode } from "../../../../src/mesh/errors.ts";
import { MeshError } from "../../../../src/mesh/errors.ts";
import { Secret } from "../../../../src/mesh/secret.ts";
import { skipWithoutKubernetes } from "../../../kube/binaries.ts";
import { type KubeCluster, startCluster } from "../../../kube/cluster.ts";

const configMaps = { group: "", version: "v1", resource: "configmaps" };
const services = { group: "", version: "v1", resource: "services" };
const namespace = "shop";

suite("a KubeConnection to a real API server", { skip: skipWithoutKubernetes }, () => {
  let cluster: KubeCluster;
  let folder: string;
  let open: KubeConnection;
  const connect = (access: ApiAccess): Promise<KubeConnection> =>
    openKubeConnection(access, { clock: realClock });
  const configMap = (name: string, fields: object = {}): { metadata: { name: string } } => ({
    ...fields,
    metadata: { namespace, name } as { name: string },
  });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "isthmus-access-"));
    cluster = await startCluster({ users: { eve: [] } });
    await cluster.createNamespace(namespace);
    open = await connect({ t: "kubeconfig", path: cluster.kubeconfig() });
  });
  after(async () => {
    await open?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test("what is created is read, replaced, patched and listed by pages", async () => {
    const { api } = open;
    const made = await api.create(configMaps, configMap("one", { data: { a: "1" } }));
    await api.create(configMaps, configMap("two"));
    const replaced = await api.replace(configMaps, { ...made, data: { a: "2" } });
    assert.notEqual(replaced.metadata.resourceVersion, made.metadata.resourceVersion);
    const ref = { namespace, name: "one" };
    await api.mergePatch(configMaps, ref, { patch: { data: { b: "3" } } });
    assert.deepEqual((await api.get(configMaps, ref))?.["data"], { a: "2", b: "3" });

    const first = await api.list(configMaps, { namespace, limit: 1 });
    assert.equal(first.items.length, 1);
    const rest = await api.list(configMaps, { namespace, from: first.next ?? "" });
    const names = [...first.items, ...rest.items].map(({ metadata }) => metadata.name);
    assert.deepEqual(names.sort(), ["kube-root-ca.crt", "one", "two"]);
    assert.equal(rest.next, undefined);
  });

  test("apply makes and changes; another manager's field is a conflict unless it is forced", async () => {
    const { api } = open;
    const applied = { apiVersion: "v1", kind: "ConfigMap", data: { a: "1" } };
    const first = configMap("applied", applied);
    const second = configMap("applied", { ...applied, data: { a: "2" } });
    await api.apply(configMaps, first, { fieldManager: "left" });
    await refused("MESH_KUBE_CONFLICT", api.apply(configMaps, second, { fieldManager: "right" }));
    const forced = await api.apply(configMaps, second, { fieldManager: "right", force: true });
    assert.deepEqual(forced["data"], { a: "2" });
  });

  test("only the status is written where only that is asked for", async () => {
    const { api } = open;
    const spec = { ports: [{ port: 80 }] };
    await api.create(services, configMap("web", { spec }));
    const ref = { namespace, name: "web" };
    const conditions = [{ type: "Ready", status: "True", reason: "Ok", message: "" }].map(
      (one) => ({
        ...one,
        lastTransitionTime: "2026-01-01T00:00:00Z",
      }),
    );
    const patch = { status: { conditions }, spec: { ports: [{ port: 81 }] } };
    const patched = await api.mergePatch(services, ref, { patch, subresource: "status" });
    assert.deepEqual((patched["status"] as { conditions: unknown }).conditions, conditions);
    assert.equal((patched["spec"] as { ports: { port: number }[] }).ports[0]?.port, 80);
  });

  test("what is not there is undefined or not deleted; deleting heeds its preconditions", async () => {
    const { api } = open;
    assert.equal(await api.get(configMaps, { namespace, name: "none" }), undefined);
    assert.equal(await api.remove(configMaps, { namespace, name: "none" }), false);
    const { metadata } = await api.create(configMaps, configMap("doomed"));
    const ref = { namespace, name: "doomed" };
    await refused("MESH_KUBE_CONFLICT", api.remove(configMaps, ref, { uid: "another" }));
    assert.equal(await api.remove(configMaps, ref, { uid: metadata.uid ?? "" }), true);
    assert.equal(await api.get(configMaps, ref), undefined);
  });

  test("each refusal has its code and says what the server finds", async () => {
    const { api } = open;
    const unknown = { group: "isthmus.dev", version: "v9", resource: "dreams" };
    await refused("MESH_KUBE_ABSENT", api.get(unknown, { name: "a" }), /CustomResourceDefinition/);
    await refused(
      "MESH_KUBE_ABSENT",
      api.create(configMaps, { metadata: { namespace: "no", name: "a" } }),
    );
    const one = await api.create(configMaps, configMap("once"));
    await refused("MESH_KUBE_CONFLICT", api.create(configMaps, configMap("once")));
    await api.replace(configMaps, { ...one, data: { a: "2" } });
    await refused("MESH_KUBE_CONFLICT", api.replace(configMaps, { ...one, data: { a: "3" } }));
    await refused(
      "MESH_KUBE_INVALID",
      api.create(configMaps, configMap("odd", { dta: {} })),
      /dta/,
    );
    await refused(
      "MESH_KUBE_INVALID",
      api.create(configMaps, configMap("Not A Name")),
      /Not A Name/,
    );
    await refused("MESH_KUBE_INVALID", api.list(configMaps, { limit: 1, from: "x" }), /continue/);
  });

  test("whoever lacks a right is told which; access can be asked for", async () => {
    await using eve = await connect({ t: "kubeconfig", path: cluster.kubeconfig("eve") });
    const says = /"eve" cannot list resource "configmaps"/;
    await refused("MESH_KUBE_FORBIDDEN", eve.api.list(configMaps, { namespace }), says);
    const question = { verb: "list", group: "", resource: "configmaps", namespace };
    assert.equal(await eve.api.isAllowed(question), false);
    assert.equal(await open.api.isAllowed(question), true);
    assert.equal(await open.api.isAllowed(question, { user: "eve" }), false);
    assert.equal(
      await open.api.isAllowed(question, { user: "root", groups: ["system:masters"] }),
      true,
    );
  });

  test("a token is vouched for where its audience is asked for, and nowhere else", async () => {
    const audiences = ["isthmus"];
    const token = new Secret(await cluster.tokenOf({ namespace, name: "default", audiences }));
    const verdict = await open.api.reviewToken(token, audiences);
    assert.ok(verdict.t === "authenticated");
    assert.equal(verdict.username, "system:serviceaccount:shop:default");
    assert.deepEqual(verdict.audiences, audiences);
    assert.equal((await open.api.reviewToken(token, ["other"])).t, "refused");
    assert.equal((await open.api.reviewToken(new Secret("junk"), audiences)).t, "refused");
  });

  test("a pod's token is read again after a while, and at once when it was refused", async () => {
    const address = cluster.url.replace("https://", "");
    let monotonicMs = 0;
    const clock = { nowMs: () => 0, monotonicMs: () => monotonicMs };
    const writeToken = (token: string): Promise<void> => writeFile(join(folder, "token"), token);
    await cp(cluster.caFile, join(folder, "ca.crt"));
    await cluster.kubectl(["-n", namespace, "create", "serviceaccount", "next"]);
    await writeToken("no longer a token\n");
    await using pod = await openKubeConnection({ t: "in-cluster", address, folder }, { clock });
    await refused("MESH_KUBE_UNAUTHORIZED", pod.api.getText("/version"), /has no token/);
    await writeToken("unknown");
    await refused("MESH_KUBE_UNAUTHORIZED", pod.api.getText("/version"));
    await writeToken(await cluster.tokenOf({ namespace, name: "default" }));
    assert.equal(await whoIs(pod), "system:serviceaccount:shop:default");
    await writeToken(await cluster.tokenOf({ namespace, name: "next" }));
    assert.equal(await whoIs(pod), "system:serviceaccount:shop:default");
    monotonicMs = 10_000;
    assert.equal(await whoIs(pod), "system:serviceaccount:shop:next");
  });

  test("a program of the kubeconfig is run for a token, and what it complains about is told", async () => {
    const token = await cluster.tokenOf({ namespace: "default", name: "default" });
    const credential = {
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token },
    };
    const execConfig = async (script: string): Promise<string> => {
      const config = JSON.parse(
        await cluster.kubectl(["config", "view", "--raw", "-o", "json"]),
      ) as {
        users: { user: object }[];
      };
      const exec = { apiVersion: credential.apiVersion, command: "sh", args: ["-c", script] };
      config.users = config.users.map((user) => ({ ...user, user: { exec } }));
      const path = join(folder, `${script.length}.kubeconfig`);
      await writeFile(path, JSON.stringify(config));
      return path;
    };
    const path = await execConfig(`echo '${JSON.stringify(credential)}'`);
    await using asked = await connect({ t: "kubeconfig", path });
    assert.match(await asked.api.getText("/version"), /gitVersion/);
    await refused("MESH_KUBE_FORBIDDEN", asked.api.list(configMaps, {}), /default:default/);
    const failing = await execConfig("echo not logged in >&2; exit 1");
    await using failed = await connect({ t: "kubeconfig", path: failing });
    await refused("MESH_KUBE_UNAUTHORIZED", failed.api.getText("/version"), /not logged in/);
  });

  test("an unknown token is told so, also where a stream is asked for", async () => {
    const path = await cluster.kubeconfigFor("nonsense");
    await using stranger = await connect({ t: "kubeconfig", path });
    await refused("MESH_KUBE_UNAUTHORIZED", stranger.api.list(configMaps, {}));
    const { status, body } = await stranger.open("/api/v1/configmaps", {
      signal: AbortSignal.timeout(5000),
    });
    assert.equal(status, 401);
    for await (const _ of body);
  });

  test("a stream goes on until it is aborted", async () => {
    const ending = new AbortController();
    const { status, body } = await open.open("/api/v1/namespaces?watch=1", ending);
    assert.equal(status, 200);
    const first = async (): Promise<void> => {
      for await (const part of body) {
        assert.match(Buffer.from(part).toString(), /"type":"ADDED"/);
        ending.abort();
      }
    };
    await assert.rejects(first(), { name: "AbortError" });
  });

  test("a hung API server ends each call at its deadline, and serves the next when it goes on", async () => {
    const hasty = open.apiWithin(300);
    cluster.apiServer.stop();
    try {
      await refused("MESH_KUBE_UNREACHABLE", hasty.getText("/version"), /within 300 ms/);
    } finally {
      cluster.apiServer.cont();
    }
    assert.match(await open.api.getText("/version"), /gitVersion/);
  });

  test("a certificate of a new authority is taken as soon as the file says so", async () => {
    const pod = join(folder, "pod");
    await mkdir(pod);
    await cp(cluster.caFile, join(pod, "ca.crt"));
    await writeFile(
      join(pod, "token"),
      await cluster.tokenOf({ namespace: "default", name: "default" }),
    );
    const address = cluster.url.replace("https://", "");
    await using connection = await connect({ t: "in-cluster", address, folder: pod });
    await connection.api.getText("/version");
    await cluster.apiServer.kill();
    await refused("MESH_KUBE_UNREACHABLE", connection.api.getText("/version"), /ECONNREFUSED/);
    await rm(join(cluster.dir, "pki"), { recursive: true });
    await cluster.apiServer.start();
    await refused(
      "MESH_KUBE_UNREACHABLE",
      connection.api.getText("/version"),
      /certificate|signed/,
    );
    await cp(cluster.caFile, join(pod, "ca.crt"));
    assert.match(await connection.api.getText("/version"), /gitVersion/);
  });
});

/** Whom an API server takes the connection for. */
async function whoIs({ api }: KubeConnection): Promise<unknown> {
  const version = "authentication.k8s.io/v1";
  const type = { group: "authentication.k8s.io", version: "v1", resource: "selfsubjectreviews" };
  const metadata = {} as { name: string };
  const answer = await api.create(type, {
    apiVersion: version,
    kind: "SelfSubjectReview",
    metadata,
  });
  return (answer["status"] as { userInfo: { username: string } }).userInfo.username;
}

async function refused(code: ErrorCode, call: Promise<unknown>, says = /^Cannot /): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof MeshError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, says);
    return true;
  });
}
