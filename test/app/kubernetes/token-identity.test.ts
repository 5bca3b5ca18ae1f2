import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { RunningAgent } from "../../../src/app/agent/agent.ts";
import type { SidecarConfig } from "../../../src/app/config/config.ts";
import { startGateway, startSidecar } from "../../../src/app/launcher/engine-launcher.ts";
import { firstIdentity, nextIdentity } from "../../../src/app/launcher/first-identity.ts";
import { issueFrom, renewFrom } from "../../../src/app/launcher/identity-client.ts";
import { MeshError } from "../../../src/mesh/errors.ts";
import {
  infrastructureSpiffeId,
  parseMemberName,
  parseMeshDomain,
  parseNamespace,
  parseServiceId,
  type TrustDomain,
  trustDomainOf,
} from "../../../src/mesh/ids.ts";
import { Secret } from "../../../src/mesh/secret.ts";
import { parseCertificate } from "../../../src/trust/certificate.ts";
import { createCsr } from "../../../src/trust/csr.ts";
import { identityOf } from "../../../src/trust/identity.ts";
import { loadIdentity } from "../../../src/trust/io/identity-store.ts";
import { newPrivateKey } from "../../../src/trust/io/new-key.ts";
import { holdIdentity } from "../../../src/trust/io/renewal.ts";
import { judgeLeaf } from "../../../src/trust/svid-rules.ts";
import { until } from "../../kube/admin-client.ts";
import { skipWithoutKubernetes } from "../../kube/binaries.ts";
import { type KubeCluster, startCluster } from "../../kube/cluster.ts";
import { local, TestMesh } from "../support/test-mesh.ts";

const audience = "isthmus";
const east: TrustDomain = trustDomainOf(parseMemberName("east"), parseMeshDomain("acme.mesh"));
const clock = { nowMs: (): number => Date.now(), monotonicMs: (): number => performance.now() };

interface Bound {
  readonly name: string;
  readonly uid: string;
}

suite("identity by a service-account token of a real API server", {
  skip: skipWithoutKubernetes,
}, () => {
  let cluster: KubeCluster;
  let mesh: TestMesh;
  let agent: RunningAgent;
  let pod: Bound;
  const lines: { readonly fields: object; readonly message: string }[] = [];
  const note = (fields: object, message: string): void => void lines.push({ fields, message });
  const log = { debug: note, info: note, warn: note, error: note };

  before(async () => {
    cluster = await startCluster({ name: "east" });
    await cluster.createNamespace("shop");
    await cluster.createNamespace("isthmus-system");
    await account("shop", "cart");
    await account("isthmus-system", "isthmus-gateway");
    pod = await createPod("shop", { name: "cart-0", account: "cart" });
    mesh = await TestMesh.open(log);
    await mesh.issue("east", "us-east-1");
    await mkdir(mesh.servicesDir("east"), { recursive: true });
    agent = await mesh.startAgent({
      ...mesh.agentConfig("east", "us-east-1", 15_443),
      kubernetes: {
        access: { kubeconfig: cluster.kubeconfig() },
        identity: {
          audience,
          gatewayAccount: parseServiceId("isthmus-system/isthmus-gateway"),
          renewal: "token",
        },
      },
    });
  });
  after(async () => {
    await mesh?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  async function account(namespace: string, name: string): Promise<void> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts`;
    await cluster.api.call("POST", path, { metadata: { name } });
  }

  async function createPod(
    namespace: string,
    wish: { readonly name: string; readonly account: string },
  ): Promise<Bound> {
    const { metadata } = await cluster.api.call<{ metadata: Bound }>(
      "POST",
      `/api/v1/namespaces/${namespace}/pods`,
      {
        metadata: { name: wish.name },
        spec: {
          serviceAccountName: wish.account,
          containers: [{ name: "app", image: "app" }],
        },
      },
    );
    return metadata;
  }

  const tokenOf = (wish: Partial<Parameters<KubeCluster["tokenOf"]>[0]> = {}): Promise<string> =>
    cluster.tokenOf({ namespace: "shop", name: "cart", audiences: [audience], pod, ...wish });

  const bundle = (): Promise<string> =>
    readFile(join(mesh.dir, "east", "trust", "bundle.pem"), "utf8");

  /** The SPIFFE ID that the agent certifies for this token. */
  async function idFor(token: string, csr = createCsr(newPrivateKey())): Promise<string> {
    const bundlePem = await bundle();
    const request = issueFrom({
      agent: agent.xds,
      agentId: infrastructureSpiffeId(east, "agent"),
      read: async () => ({
        proof: { t: "service-account-token", token: new Secret(token) },
        bundlePem,
      }),
    });
    const [leaf = Buffer.alloc(0)] = (await request(csr)).chainDer;
    const verdict = judgeLeaf(parseCertificate(leaf));
    return verdict.t === "ok" ? verdict.id : verdict.reason;
  }

  async function codeFor(token: string): Promise<string> {
    return await idFor(token).catch((thrown: unknown) =>
      thrown instanceof MeshError ? thrown.code : String(thrown),
    );
  }

  async function sidecarConfig(
    name: string,
    token: string,
    trustDomain = east,
  ): Promise<SidecarConfig> {
    const dir = join(mesh.dir, "pods", name);
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, "token"), `${token}\n`);
    return {
      agent: agent.xds,
      identity: {
        dir: join(dir, "identity"),
        token: {
          file: join(dir, "token"),
          trustDomain,
          roots: { t: "pem", pem: await bundle() },
        },
      },
      engine: "embedded",
      workers: 1,
      admin: local(0),
      logLevel: "silent",
      workload: name,
      namespace: parseNamespace("shop"),
      serviceAccount: "cart",
      capture: "ports",
      upstreams: [],
      inbound: [],
    };
  }

  test("a sidecar gets the identity of its pod's account and runs with it", async () => {
    const config = await sidecarConfig("cart-0", await tokenOf());
    await using sidecar = await startSidecar(config, { log });
    await sidecar.whenReady;
    const { id } = await loadIdentity(config.identity.dir);
    assert.equal(id, "spiffe://east.acme.mesh/ns/shop/sa/cart");
    assert.equal((await stat(join(config.identity.dir, "svid.key"))).mode & 0o777, 0o600);
    assert.equal((await stat(config.identity.dir)).mode & 0o777, 0o700);
  });

  test("a sidecar that starts before its token is there waits for it", async () => {
    const config = await sidecarConfig("cart-early", "not yet");
    const starting = startSidecar(config, { log });
    await until("the agent refused it", async () =>
      lines.some(({ message }) => message === "First SVID not issued yet"),
    );
    await writeFile(config.identity.token?.file ?? "", await tokenOf());
    await using sidecar = await starting;
    assert.match(sidecar.adminUrl, /^http:/);
  });

  test("gateways get theirs for the account that the agent's configuration names", async () => {
    const gatewayPod = await createPod("isthmus-system", {
      name: "gateway-0",
      account: "isthmus-gateway",
    });
    const token = await tokenOf({
      namespace: "isthmus-system",
      name: "isthmus-gateway",
      pod: gatewayPod,
    });
    const { identity, agent: at, ...rest } = await sidecarConfig("gateway-0", token);
    const { engine, workers, admin, logLevel } = rest;
    await using gateway = await startGateway(
      { identity, agent: at, engine, workers, admin, logLevel, listen: local(0) },
      { log },
    );
    assert.match(gateway.adminUrl, /^http:/);
    const { id } = await loadIdentity(identity.dir);
    assert.equal(id, "spiffe://east.acme.mesh/isthmus/gateway");
  });

  test("names in a CSR count for nothing", async () => {
    const dir = join(mesh.dir, "csr");
    await mkdir(dir);
    const san = "subjectAltName=URI:spiffe://east.acme.mesh/isthmus/agent";
    const args = `req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=agent -outform DER`;
    const files = ["-keyout", join(dir, "key"), "-out", join(dir, "csr")];
    execFileSync("openssl", [...args.split(" "), ...files, "-addext", san], { stdio: "ignore" });
    const id = await idFor(await tokenOf(), await readFile(join(dir, "csr")));
    assert.equal(id, "spiffe://east.acme.mesh/ns/shop/sa/cart");
  });

  test("tokens that are not this pod's proof for this agent are refused, each with its own code", async () => {
    assert.equal(await codeFor(await tokenOf({ audiences: ["vault"] })), "MESH_TOKEN_AUDIENCE");
    const { pod: _pod, ...unbound } = {
      namespace: "shop",
      name: "cart",
      audiences: [audience],
      pod,
    };
    assert.equal(await codeFor(await cluster.tokenOf(unbound)), "MESH_TOKEN_UNBOUND");
    assert.equal(await codeFor("garbage"), "MESH_TOKEN_MALFORMED");
    const good = await tokenOf();
    assert.equal(await codeFor(good.slice(0, -8)), "MESH_TOKEN_UNTRUSTED");
    const [header, claims, signature] = good.split(".");
    const other = JSON.parse(Buffer.from(claims ?? "", "base64url").toString()) as object;
    const forged = Buffer.from(JSON.stringify({ ...other, sub: "x" })).toString("base64url");
    assert.equal(await codeFor(`${header}.${forged}.${signature}`), "MESH_TOKEN_UNTRUSTED");
  });

  test("a token of another cluster proves nothing here", async () => {
    await using west = await startCluster({
      name: "west",
      etcd: cluster.etcd,
      controllers: false,
    });
    await west.createNamespace("shop");
    await west.api.call("POST", "/api/v1/namespaces/shop/serviceaccounts", {
      metadata: { name: "cart" },
    });
    const token = await west.tokenOf({ namespace: "shop", name: "cart", audiences: [audience] });
    assert.equal(await codeFor(token), "MESH_TOKEN_UNTRUSTED");
  });

  test("a token whose pod is gone buys nothing any more", async () => {
    const short = await createPod("shop", { name: "short", account: "cart" });
    const token = await tokenOf({ pod: short });
    assert.equal(await codeFor(token), "spiffe://east.acme.mesh/ns/shop/sa/cart");
    await cluster.api.call("DELETE", "/api/v1/namespaces/shop/pods/short", {
      gracePeriodSeconds: 0,
    });
    // The API server and the agent remember an answer for up to ten seconds each.
    await until("it is refused", async () => (await codeFor(token)) === "MESH_TOKEN_UNBOUND");
  });

  test("nobody is told a token but the agent of the own member", async () => {
    const west = trustDomainOf(parseMemberName("west"), parseMeshDomain("acme.mesh"));
    const config = await sidecarConfig("cart-lost", await tokenOf(), west);
    const ending = new AbortController();
    const starting = firstIdentity(config, {
      clock,
      random: Math.random,
      log,
      signal: ending.signal,
    });
    await until("it turns away", async () =>
      lines.some(({ fields }) => JSON.stringify(fields).includes("not spiffe://west.acme.mesh")),
    );
    ending.abort(new Error("enough"));
    await assert.rejects(starting, /enough/);
  });

  test("a launcher whose certificate has ended comes back by its token", async () => {
    const config = await sidecarConfig("cart-late", await tokenOf());
    const parts = { clock, random: Math.random, log, signal: new AbortController().signal };
    const identity = holdIdentity(await firstIdentity(config, parts));
    const agentId = infrastructureSpiffeId(east, "agent");
    const tomorrow = { ...clock, nowMs: () => identity.current().notAfterMs + 1 };
    const key = newPrivateKey();
    const request = nextIdentity(config, { agentId, identity, clock: tomorrow });
    const next = identityOf(key, await request(createCsr(key)));
    assert.equal(next.id, identity.current().id);
  });

  test("a certificate alone buys no other: a launcher renews by its token, and nobody warns", async () => {
    const config = await sidecarConfig("cart-renewed", await tokenOf());
    const parts = { clock, random: Math.random, log, signal: new AbortController().signal };
    const identity = holdIdentity(await firstIdentity(config, parts));
    const agentId = infrastructureSpiffeId(east, "agent");
    const key = newPrivateKey();
    const request = nextIdentity(config, { agentId, identity, clock });
    const next = identityOf(key, await request(createCsr(key)));
    assert.equal(next.id, identity.current().id);
    const refusals = (): number =>
      lines.filter(({ message }) => message === "Renewal refused").length;
    assert.equal(refusals(), 0);
    const stolen = renewFrom({ agent: agent.xds, agentId, identity });
    await assert.rejects(
      async () => await stolen(createCsr(key)),
      (thrown: unknown) =>
        thrown instanceof MeshError &&
        thrown.code === "MESH_TRUST_ISSUE_REFUSED" &&
        thrown.message.includes("kubernetes.identity.renewal"),
    );
    assert.equal(refusals(), 1);
    // Whoever has neither is told what is wrong with the token.
    await writeFile(config.identity.token?.file ?? "", "garbage");
    await assert.rejects(async () => await request(createCsr(key)), {
      code: "MESH_TOKEN_MALFORMED",
    });
  });

  test("a member whose launchers have no tokens lets certificates renew themselves", async () => {
    await mesh.issue("south", "us-south-1");
    await mkdir(mesh.servicesDir("south"), { recursive: true });
    const south = await mesh.startAgent({
      ...mesh.agentConfig("south", "us-south-1", 15_444),
      kubernetes: {
        access: { kubeconfig: cluster.kubeconfig() },
        identity: {
          audience,
          gatewayAccount: parseServiceId("isthmus-system/isthmus-gateway"),
          renewal: "certificate",
        },
      },
    });
    const domain = trustDomainOf(parseMemberName("south"), parseMeshDomain("acme.mesh"));
    const config = { ...(await sidecarConfig("cart-south", await tokenOf(), domain)) };
    const own = { ...config, agent: south.xds };
    const parts = { clock, random: Math.random, log, signal: new AbortController().signal };
    const identity = holdIdentity(await firstIdentity(own, parts));
    const agentId = infrastructureSpiffeId(domain, "agent");
    const key = newPrivateKey();
    const renewed = identityOf(
      key,
      await renewFrom({ agent: south.xds, agentId, identity })(createCsr(key)),
    );
    assert.equal(renewed.id, "spiffe://south.acme.mesh/ns/shop/sa/cart");
    // So does a launcher whose token nobody takes.
    await writeFile(own.identity.token?.file ?? "", "garbage");
    const request = nextIdentity(own, { agentId, identity, clock });
    assert.equal(identityOf(key, await request(createCsr(key))).id, renewed.id);
  });

  test("while the API server hangs, tokens are judged by the keys that are known", async () => {
    const token = await tokenOf();
    cluster.apiServer.stop();
    try {
      assert.equal(await codeFor(token), "spiffe://east.acme.mesh/ns/shop/sa/cart");
    } finally {
      cluster.apiServer.cont();
    }
  });

  test("no token is in any line of the log", () => {
    assert.ok(lines.length > 10);
    const text = JSON.stringify(lines);
    assert.ok(!text.includes("eyJ"), "a token begins with eyJ");
  });
});
