// What deploy/ makes of a cluster, with the programs run as its pods would run them: their configuration, their
// accounts, their tokens. Only addresses and folders are this machine's.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { parseDocument } from "yaml";
import { freePorts } from "../../src/app/demo/free-ports.ts";
import { agentRights } from "../../src/app/install/agent-rights.ts";
import { makeMember, makeRoot } from "../../src/app/trust-tasks.ts";
import { usedBy, wordsOf } from "../app/install/used-rights.ts";
import { until } from "../kube/admin-client.ts";
import { skipWithoutKubernetes } from "../kube/binaries.ts";
import { type KubeCluster, startCluster } from "../kube/cluster.ts";
import { Program, run } from "./program.ts";

const namespace = "isthmus-system";

interface AuditEvent {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly requestURI: string;
  readonly responseStatus?: { readonly code: number };
}

suite("a cluster's agent and gateway", { skip: skipWithoutKubernetes }, () => {
  let cluster: KubeCluster;
  let dir: string;
  let agent: Program;
  let health = 0;
  let xds = 0;

  /** A file of a ConfigMap, with what is another here than in a pod. */
  const configured = async (
    name: string,
    changes: readonly (readonly [path: readonly (string | number)[], value: unknown])[],
  ): Promise<string> => {
    const path = `/api/v1/namespaces/${namespace}/configmaps/isthmus-${name}`;
    const { data } = await cluster.api.call<{ data: Record<string, string> }>("GET", path);
    const document = parseDocument(data[`${name}.yaml`] ?? "");
    for (const [at, value] of changes) {
      if (value === undefined) document.deleteIn(at);
      else document.setIn(at, document.createNode(value));
    }
    const file = join(dir, `${name}.yaml`);
    await writeFile(file, document.toString());
    return file;
  };
  const isReady = async (port: number): Promise<boolean> =>
    (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "isthmus-cluster-"));
    cluster = await startCluster({ name: "agent", isAudited: true });
    const words =
      "install --cloud eks --mesh acme.mesh --member east --region us-east-1 --hub rediss://hub.example:6379";
    const { code, out, err } = await run(words.split(" "), dir);
    assert.equal(code, 0, err);
    await cluster.kubectl(["apply", "--server-side", "-f", "-"], { input: out });
    await makeRoot({ mesh: "acme.mesh", dir: join(dir, "root") });
    await makeMember({
      name: "east",
      dir: join(dir, "root"),
      out: join(dir, "trust"),
      cloud: "aws",
      region: "us-east-1",
      network: undefined,
      gatewayRanges: ["127.0.0.0/8"],
      mayExport: ["*"],
      renew: false,
    });
    const token = await cluster.tokenOf({ namespace, name: "isthmus-agent" });
    const kubeconfig = await cluster.kubeconfigFor(token);
    const [port = 0, http = 0, gateway = 0, ...rest] = await freePorts(6);
    xds = port;
    health = rest[0] ?? 0;
    const file = await configured("agent", [
      [["trust", "dir"], join(dir, "trust")],
      [["catalog"], { memory: true, snapshotDir: join(dir, "state") }],
      [["sources", 0, "kubernetes", "kubeconfig"], kubeconfig],
      [["kubernetes", "kubeconfig"], kubeconfig],
      [["kubernetes", "dns", "listen"], `127.0.0.1:${rest[1]}`],
      [["kubernetes", "webhook", "listen"], `127.0.0.1:${rest[2]}`],
      [["gateway"], { addresses: [`127.0.0.1:${gateway}`] }],
      [["xds"], { listen: `127.0.0.1:${xds}` }],
      [["http"], { listen: `127.0.0.1:${http}`, health: `127.0.0.1:${health}` }],
    ]);
    agent = new Program(["agent", "--config", file], { cwd: dir });
    await until("the agent is ready", async () => {
      assert.equal(agent.hasEnded, false, agent.out + agent.err);
      return await isReady(health);
    });
  });
  after(async () => {
    await agent?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  test("a gateway gets its identity for its token, and its configuration", async () => {
    const [listen = 0, admin = 0] = await freePorts(2);
    const account = { namespace, name: "isthmus-gateway" };
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const label = "?labelSelector=app.kubernetes.io/name%3Disthmus-gateway";
    let pod = { name: "", uid: "" };
    await until("there is a gateway's pod", async () => {
      const { items } = await cluster.api.call<{
        items: readonly { metadata: { name: string; uid: string } }[];
      }>("GET", path + label);
      const [first] = items;
      if (first !== undefined) pod = { name: first.metadata.name, uid: first.metadata.uid };
      return first !== undefined;
    });
    await mkdir(join(dir, "pod"));
    const token = await cluster.tokenOf({ ...account, audiences: ["isthmus"], pod });
    await writeFile(join(dir, "pod/token"), token);
    const file = await configured("gateway", [
      [["agent"], `127.0.0.1:${xds}`],
      [["identity", "dir"], join(dir, "identity")],
      [["identity", "tokenFile"], join(dir, "pod/token")],
      [["identity", "bundleFile"], join(dir, "trust/bundle.pem")],
      [["listen"], `127.0.0.1:${listen}`],
      [["admin"], `127.0.0.1:${admin}`],
    ]);
    await using gateway = new Program(["gateway", "--config", file], { cwd: dir });
    await until("the gateway is ready", async () => {
      assert.equal(gateway.hasEnded, false, gateway.out + gateway.err);
      return await isReady(admin);
    });
    const config = await (await fetch(`http://127.0.0.1:${admin}/config`)).text();
    assert.match(config, /spiffe:\/\/east\.acme\.mesh\/isthmus\/gateway/);
  });

  const apply = (kind: string, object: object): Promise<string> => {
    const body = { apiVersion: "isthmus.dev/v1alpha1", kind, ...object };
    return cluster.kubectl(["apply", "-f", "-"], { input: JSON.stringify(body) });
  };

  test("the agent acts on an import policy, and says how many proxies have it", async () => {
    const metadata = { name: "all" };
    await apply("ImportPolicy", { metadata, spec: { namespaces: ["*"], members: ["*"] } });
    await cluster.kubectl(["wait", "--for=condition=Programmed", "importpolicy/all"]);
    const { status } = await cluster.api.call<{ status: { proxies: { told: number } } }>(
      "GET",
      "/apis/isthmus.dev/v1alpha1/importpolicies/all",
    );
    assert.equal(typeof status.proxies.told, "number");
  });

  test("the agent says of another policy that it does not act on it", async () => {
    const metadata = { name: "all", namespace: "default" };
    await apply("Scope", { metadata, spec: { services: ["shop/*"] } });
    await cluster.kubectl(["wait", "--for=condition=Accepted=False", "scope/all"]);
  });

  test("the injector has the agent's certificates, and may be applied again", async () => {
    const path =
      "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/isthmus-injector";
    type Found = { webhooks: readonly { clientConfig: { caBundle?: string } }[] };
    const bundles = async (): Promise<readonly (string | undefined)[]> => {
      const { webhooks } = await cluster.api.call<Found>("GET", path);
      return webhooks.map(({ clientConfig }) => clientConfig.caBundle);
    };
    await until("all have one", async () => !(await bundles()).includes(undefined));
    const before = await bundles();
    await cluster.kubectl(["apply", "--server-side", "-k", "deploy/base"]);
    assert.deepEqual(await bundles(), before);
  });

  test("the agent used what it is granted to contend, to judge tokens and to be asked for sidecars", async () => {
    const parts = new Set(["lease", "identity", "injection"]);
    const wished = wordsOf(agentRights.filter(({ neededBy }) => parts.has(neededBy)));
    const used = await usedBy(cluster);
    assert.deepEqual(
      wished.filter((word) => !used.has(word)),
      [],
    );
  });

  test("the agent was refused nothing by its API server", async () => {
    const lines = (await readFile(join(cluster.dir, "audit.log"), "utf8")).trim().split("\n");
    const own = lines
      .map((line) => JSON.parse(line) as AuditEvent)
      .filter(({ user }) => user.username === `system:serviceaccount:${namespace}:isthmus-agent`);
    assert.ok(own.length > 10);
    const refused = own.filter(({ responseStatus }) => responseStatus?.code === 403);
    assert.deepEqual(
      refused.map(({ verb, requestURI }) => `${verb} ${requestURI}`),
      [],
    );
  });
});
