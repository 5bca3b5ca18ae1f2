import assert from "node:assert/strict";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { ServiceAnswer, StatusAnswer } from "../../../src/app/api-model.ts";
import type { SidecarConfig } from "../../../src/app/config/config.ts";
import { freePorts } from "../../../src/app/demo/free-ports.ts";
import { startSidecar } from "../../../src/app/launcher/engine-launcher.ts";
import { realClock } from "../../../src/app/real-time.ts";
import { makeWorkload } from "../../../src/app/trust-tasks.ts";
import { MeshError } from "../../../src/mesh/errors.ts";
import { parseNamespace, parseNetworkName } from "../../../src/mesh/ids.ts";
import { until } from "../support/ask.ts";
import { local, silentLog, startMember, TestMesh } from "../support/test-mesh.ts";

function isError(code: string, text: RegExp): (thrown: unknown) => boolean {
  return (thrown) => {
    assert.ok(thrown instanceof MeshError, String(thrown));
    assert.equal(thrown.code, code);
    assert.match(thrown.message, text);
    return true;
  };
}

test("startAgent() refuses a second agent of one name and says who holds it", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  await mkdir(mesh.servicesDir("east"), { recursive: true });
  const config = mesh.agentConfig("east", "us-east-1", 1);
  const first = await mesh.startAgent(config);
  // Before its first head is in the hub a second one cannot know of it.
  await until<StatusAnswer>(`${first.httpUrl}/api/v1/status`, ({ catalog }) => {
    return catalog.state === "synced" && (catalog.seq ?? 0) > 0;
  });
  const second = {
    ...config,
    catalog: { ...config.catalog, snapshotDir: join(mesh.dir, "other") },
  };
  await assert.rejects(
    mesh.startAgent(second),
    isError(
      "MESH_CATALOG_NAME_TAKEN",
      /Cannot publish as "east": instance \S+ on \S+ holds that name/,
    ),
  );
});

test("startAgent() lists every contradiction between configuration and charter", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  const config = mesh.agentConfig("east", "mars", 1);
  const wrong = { ...config, member: { ...config.member, network: parseNetworkName("n2") } };
  await assert.rejects(
    mesh.startAgent(wrong),
    isError("MESH_CONFIG_INVALID", /member\.region: "mars".*\n.*member\.network: "n2"/),
  );
});

test("startAgent() says which folder it cannot read", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  await assert.rejects(
    mesh.startAgent(mesh.agentConfig("east", "us-east-1", 1)),
    isError("MESH_FILE_UNREADABLE", /services/),
  );
});

test("an agent that restarts knows its sidecars before they come back", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  const member = await startMember(mesh, "east", "us-east-1");
  const isProven = ({ services }: { services: ServiceAnswer[] }): boolean =>
    services[0]?.local?.proven === 1;
  await until(`${member.agent.httpUrl}/api/v1/services`, isProven);
  await Promise.all([
    member.agent.stop({ deadlineMs: 0 }),
    member.cartSidecar.stop({ deadlineMs: 0 }),
    member.gateway.stop({ deadlineMs: 0 }),
  ]);
  const again = await mesh.startAgent(mesh.agentConfig("east", "us-east-1", 1));
  await again.whenWarm;
  await until(`${again.httpUrl}/api/v1/services`, isProven);
});

test("a wrong file becomes a finding with its line, and the last good content stays", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  const { agent } = await startMember(mesh, "east", "us-east-1");
  await agent.whenWarm;
  const file = join(mesh.servicesDir("east"), "cart.yaml");
  const good = await readFile(file, "utf8");
  await writeFile(file, good.replace("port: 80,", "port: 808080,"));
  const { findings } = await until<{ findings: { code: string; subject: string }[] }>(
    `${agent.httpUrl}/api/v1/findings`,
    (answer) => answer.findings.some(({ code }) => code === "SOURCE_OBJECT_INVALID"),
  );
  const [finding] = findings.filter(({ code }) => code === "SOURCE_OBJECT_INVALID");
  assert.match(finding?.subject ?? "", /cart\.yaml:\d+/);
  const { services } = await until<{ services: ServiceAnswer[] }>(
    `${agent.httpUrl}/api/v1/services`,
    () => true,
  );
  assert.equal(services.length, 1);
});

test("a launcher renews its SVID at half its life, with a new key, without losing its listener", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  const member = await startMember(mesh, "east", "us-east-1");
  await member.cartSidecar.whenReady;
  const dir = join(mesh.dir, "east", "cart-east");
  const before = await readFile(join(dir, "svid.key"), "utf8");
  // A copy of it that believes it is 13 hours later.
  const copy = join(mesh.dir, "copy");
  await cp(dir, copy, { recursive: true });
  const clock = { ...realClock, nowMs: () => Date.now() + 13 * 3_600_000 };
  await using late = await startSidecar(
    {
      agent: member.agent.xds,
      identity: { dir: copy },
      engine: "embedded",
      workers: 1,
      admin: local(0),
      logLevel: "silent",
      workload: "cart-late",
      namespace: parseNamespace("shop"),
      serviceAccount: "cart",
      capture: "ports",
      upstreams: [],
      inbound: [],
    },
    { log: silentLog, clock },
  );
  await late.whenReady;
  let after = before;
  while (after === before) {
    await wait(10);
    after = await readFile(join(copy, "svid.key"), "utf8");
  }
  const status = await until<{ isConnected: boolean; identity: { id: string } }>(
    `${late.adminUrl}/config`,
    ({ isConnected }) => isConnected,
  );
  assert.equal(status.identity.id, "spiffe://east.acme.mesh/ns/shop/sa/cart");
});

test("startSidecar() refuses an identity that has ended and says what to do", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  const clock = { ...realClock, nowMs: () => Date.now() + 25 * 3_600_000 };
  const dir = join(mesh.dir, "svid");
  await makeWorkload({ account: "shop/cart", dir: join(mesh.dir, "east", "trust"), out: dir });
  const config: SidecarConfig = {
    agent: local(1),
    identity: { dir },
    engine: "embedded",
    workers: 1,
    admin: local(0),
    logLevel: "silent",
    workload: "cart-1",
    namespace: parseNamespace("shop"),
    serviceAccount: "cart",
    capture: "ports",
    upstreams: [],
    inbound: [],
  };
  await assert.rejects(
    startSidecar(config, { log: silentLog, clock }),
    isError("MESH_TRUST_IDENTITY_REFUSED", /it ended .*; issue a new one/),
  );
});

test("the HTTP API answers mistakes with a code and hides what broke inside", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  const { agent } = await startMember(mesh, "east", "us-east-1");
  await agent.whenWarm;
  const ask = async (path: string): Promise<readonly [number, string]> => {
    const response = await fetch(`${agent.httpUrl}${path}`);
    const { code, message } = (await response.json()) as { code: string; message: string };
    return [response.status, `${code} ${message}`];
  };
  assert.deepEqual(await ask("/api/v1/endpoints?service=shop/carts"), [
    404,
    'MESH_NOT_FOUND Cannot find service "shop/carts": nobody offers it here (did you mean "shop/cart"?)',
  ]);
  assert.equal((await ask("/api/v1/endpoints?service=x"))[0], 400);
  assert.equal((await ask("/api/v1/endpoints"))[0], 400);
  assert.deepEqual(await ask("/api/v1/endpoints?service=shop/cart&from=eats"), [
    404,
    'MESH_NOT_FOUND Cannot look from "eats": the charter has no such member (did you mean "east"?)',
  ]);
  assert.equal((await ask("/api/v1/proxies/nobody/config"))[0], 404);
  assert.equal((await ask("/nowhere"))[0], 404);
  const post = await fetch(`${agent.httpUrl}/api/v1/status`, { method: "POST", body: "{}" });
  assert.equal(post.status, 404);
});

test("the HTTP API on loopback refuses a browser that was rebound to it", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  const { agent } = await startMember(mesh, "east", "us-east-1");
  const statusFor = (host: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const sent = request(`${agent.httpUrl}/healthz`, { headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.on("error", reject).end();
    });
  assert.equal(await statusFor("evil.example"), 403);
  assert.equal(await statusFor("localhost:15080"), 200);
  assert.equal(await statusFor("127.0.0.1"), 200);
});

test("http.health answers what a kubelet and a metrics collector ask, and no more", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  await mkdir(mesh.servicesDir("east"), { recursive: true });
  const [port = 0] = await freePorts(1);
  const config = mesh.agentConfig("east", "us-east-1", 1);
  const agent = await mesh.startAgent({
    ...config,
    http: { ...config.http, health: { host: "127.0.0.1", port } },
  });
  await agent.whenWarm;
  const paths = ["/readyz", "/healthz", "/metrics", "/api/v1/status", "/api/v1/proxies"];
  const statuses = await Promise.all(
    paths.map(async (path) => (await fetch(`http://127.0.0.1:${port}${path}`)).status),
  );
  assert.deepEqual(statuses, [200, 200, 200, 404, 404]);
});

test("an agent says what it waits for until it is warm, and measures itself", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  const { agent } = await startMember(mesh, "east", "us-east-1");
  await agent.whenWarm;
  assert.equal((await fetch(`${agent.httpUrl}/readyz`)).status, 200);
  const status = await until<StatusAnswer>(
    `${agent.httpUrl}/api/v1/status`,
    ({ catalog }) => catalog.seq === 2,
  );
  assert.equal(status.isWarm, true);
  assert.deepEqual(status.services, { local: 1, exported: 1, remote: 0 });
  const metrics = await (await fetch(`${agent.httpUrl}/metrics`)).text();
  assert.match(metrics, /^isthmus_services\{origin="exported"\} 1$/m);
  assert.match(metrics, /^isthmus_charter_number 2$/m);
  assert.match(metrics, /^isthmus_catalog_synced [01]$/m);
  assert.match(metrics, /^isthmus_issuer_not_after_seconds \d{10}$/m);
});
