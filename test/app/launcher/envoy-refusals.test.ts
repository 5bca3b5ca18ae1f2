// What keeps an Envoy from running, and what an operator is told of it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { SidecarConfig } from "../../../src/app/config/config.ts";
import { type RunningEngine, startSidecar } from "../../../src/app/launcher/engine-launcher.ts";
import { makeMember, makeRoot, makeWorkload } from "../../../src/app/trust-tasks.ts";
import { parseNamespace } from "../../../src/mesh/ids.ts";
import type { Log } from "../../../src/mesh/ports.ts";
import type { Finding } from "../../../src/mesh/service.ts";
import { freePorts } from "../support/free-port.ts";
import { local, silentLog, TestMesh } from "../support/test-mesh.ts";
import { envoys, whyNot } from "./envoy/envoys.ts";

const [newest] = envoys;

suite("a launcher refuses to run Envoy and says why", { skip: whyNot(newest?.binary) }, () => {
  const outside = process.env["ISTHMUS_ENVOY"];
  let dir = "";
  let issued = 0;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "isthmus-refuse-"));
    await makeRoot({ mesh: "acme.mesh", dir: join(dir, "root") });
    const claims = { name: "east", cloud: "aws", region: "us-east-1", network: undefined };
    const more = { gatewayRanges: ["127.0.0.0/8"], mayExport: ["shop"], renew: false };
    await makeMember({ ...claims, ...more, dir: join(dir, "root"), out: join(dir, "trust") });
  });
  after(async () => {
    await rm(dir, { recursive: true });
    if (outside !== undefined) process.env["ISTHMUS_ENVOY"] = outside;
  });

  /** With an identity folder of its own. */
  async function config(more: Partial<SidecarConfig> = {}): Promise<SidecarConfig> {
    issued += 1;
    const out = join(dir, `svid-${issued}`);
    await makeWorkload({ account: "shop/cart", dir: join(dir, "trust"), out });
    return {
      agent: local(1),
      identity: { dir: out },
      engine: "envoy",
      workers: 1,
      admin: local(0),
      logLevel: "silent",
      namespace: parseNamespace("shop"),
      workload: "cart-1",
      serviceAccount: "cart",
      capture: "ports",
      upstreams: [],
      inbound: [],
      ...more,
    };
  }

  async function refused(
    config: SidecarConfig,
    expected: { readonly code: string; readonly words: RegExp },
  ): Promise<void> {
    await assert.rejects(startSidecar(config, { log: silentLog }), (error: Error) => {
      assert.equal("code" in error && error.code, expected.code, error.message);
      assert.match(error.message, expected.words);
      return true;
    });
  }

  test("there is none where it should be", async () => {
    process.env["ISTHMUS_ENVOY"] = join(dir, "absent");
    await refused(await config(), {
      code: "MESH_ENGINE_UNSUPPORTED",
      words: /ISTHMUS_ENVOY: .*absent/,
    });
    process.env["ISTHMUS_ENVOY"] = newest?.binary;
  });

  test("a port of the configuration is taken", async () => {
    const [port = 0] = await freePorts(1);
    const blocker = createServer().listen(port, "127.0.0.1");
    await once(blocker, "listening");
    const inbound = [{ endpoint: local(port), listen: local(port), app: local(port) }];
    await refused(await config({ inbound }), {
      code: "MESH_LISTEN_FAILED",
      words: new RegExp(`:${port}`),
    });
    blocker.close();
  });

  test("the launcher's own port is taken, and no Envoy is left behind", async () => {
    const [port = 0] = await freePorts(1);
    const blocker = createServer().listen(port, "127.0.0.1");
    await once(blocker, "listening");
    const own = await config({ admin: local(port) });
    await refused(own, { code: "MESH_LISTEN_FAILED", words: new RegExp(`:${port}`) });
    // The folder is free again: another one runs there at once.
    await using sidecar = await startSidecar({ ...own, admin: local(0) }, { log: silentLog });
    assert.ok(sidecar.enginePid());
    blocker.close();
  });

  test("its folder cannot be written", async () => {
    const own = await config();
    await writeFile(join(own.identity.dir, "envoy"), "a file in its place");
    await refused(own, { code: "MESH_ENGINE_FOLDER", words: /can be written/ });
  });

  test("others may use its folder", async () => {
    const own = await config();
    await mkdir(join(own.identity.dir, "envoy"));
    await chmod(join(own.identity.dir, "envoy"), 0o755);
    await refused(own, { code: "MESH_ENGINE_FOLDER", words: /others may use it \(mode 0755\)/ });
  });

  test("its folder's path is too long for a socket", async () => {
    const out = join(dir, "x".repeat(100));
    await makeWorkload({ account: "shop/cart", dir: join(dir, "trust"), out });
    const own = await config({ identity: { dir: out } });
    await refused(own, { code: "MESH_ENGINE_FOLDER", words: /too long for a Unix socket/ });
  });

  test("another Envoy runs in its folder", async () => {
    const own = await config();
    await using first = await startSidecar(own, { log: silentLog });
    await untilAnswers(first);
    await refused(own, { code: "MESH_ENGINE_FOLDER", words: /another Envoy runs in it/ });
  });
});

async function untilAnswers(sidecar: RunningEngine): Promise<void> {
  for (let asked = 0; ; asked += 1) {
    const page = await fetch(`${sidecar.adminUrl}/metrics/envoy`);
    if (page.status === 200) return;
    assert.ok(asked < 1000, "Envoy never answered");
    await wait(20);
  }
}

test("a launcher backs off from an Envoy that ends again and again, and shows it", {
  skip: whyNot(newest?.binary),
}, async () => {
  const outside = process.env["ISTHMUS_ENVOY"];
  const dir = await mkdtemp(join(tmpdir(), "isthmus-loop-"));
  await makeRoot({ mesh: "acme.mesh", dir: join(dir, "root") });
  const claims = { name: "east", cloud: "aws", region: "us-east-1", network: undefined };
  const more = { gatewayRanges: ["127.0.0.0/8"], mayExport: ["shop"], renew: false };
  await makeMember({ ...claims, ...more, dir: join(dir, "root"), out: join(dir, "trust") });
  await makeWorkload({ account: "shop/cart", dir: join(dir, "trust"), out: join(dir, "svid") });
  process.env["ISTHMUS_ENVOY"] = await crashingEnvoy(dir);
  const said: { readonly fields: Record<string, unknown>; readonly message: string }[] = [];
  const third = Promise.withResolvers<void>();
  const log: Log = {
    ...silentLog,
    error: (fields, message) => {
      said.push({ fields: { ...fields }, message });
      if (said.filter(({ fields: { count } }) => count !== undefined).length === 3) third.resolve();
    },
  };
  const own: SidecarConfig = {
    agent: local(1),
    identity: { dir: join(dir, "svid") },
    engine: "envoy",
    workers: 1,
    admin: local(0),
    logLevel: "error",
    namespace: parseNamespace("shop"),
    workload: "cart-1",
    serviceAccount: "cart",
    capture: "ports",
    upstreams: [],
    inbound: [],
  };
  try {
    await using sidecar = await startSidecar(own, { log, random: () => 0.5 });
    await third.promise;
    const ends = said.filter(({ message }) => message === "Envoy ended, starting another");
    assert.deepEqual(
      ends.slice(0, 3).map(({ fields }) => fields["delayMs"]),
      [200, 400, 800],
    );
    assert.ok(said.some(({ fields }) => fields["reason"] === "out of luck"));
    const { envoy, isReady } = (await (await fetch(`${sidecar.adminUrl}/config`)).json()) as {
      readonly isReady: boolean;
      readonly envoy: { readonly restarts: number; readonly lastEnd: string };
    };
    assert.deepEqual(
      [isReady, envoy.restarts >= 3, envoy.lastEnd],
      [false, true, "it ended with 7 after it said: out of luck"],
    );
    assert.equal((await fetch(`${sidecar.adminUrl}/readyz`)).status, 503);
  } finally {
    if (outside !== undefined) process.env["ISTHMUS_ENVOY"] = outside;
    await rm(dir, { recursive: true });
  }
});

test("an agent knows of an Envoy that ends before it reaches the agent", {
  skip: whyNot(newest?.binary),
}, async () => {
  const outside = process.env["ISTHMUS_ENVOY"];
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  await mkdir(mesh.servicesDir("east"));
  const [gatewayPort = 0] = await freePorts(1);
  const agent = await mesh.startAgent(mesh.agentConfig("east", "us-east-1", gatewayPort));
  process.env["ISTHMUS_ENVOY"] = await crashingEnvoy(mesh.dir);
  try {
    await mesh.startSidecar("east", {
      agent: agent.xds,
      engine: "envoy",
      workload: "caller-1",
      serviceAccount: "caller",
      upstreams: [],
      inbound: [],
    });
    const found = async (): Promise<Finding | undefined> => {
      const answer = await fetch(`${agent.httpUrl}/api/v1/findings`);
      const { findings } = (await answer.json()) as { readonly findings: readonly Finding[] };
      return findings.find(({ code }) => code === "PROXY_ENGINE_RESTARTED");
    };
    const deadlineMs = performance.now() + 60_000;
    while ((await found()) === undefined && performance.now() < deadlineMs) await wait(50);
    assert.equal((await found())?.subject, "shop/caller-1");
  } finally {
    if (outside !== undefined) process.env["ISTHMUS_ENVOY"] = outside;
  }
});

/** Says what it is when asked, and else ends with 7 at once. */
async function crashingEnvoy(dir: string): Promise<string> {
  const path = join(dir, "envoy");
  const version = "echo 'envoy  version: 0123abc/1.40.0/Clean/RELEASE/BoringSSL'";
  const script = `#!/bin/sh\nif [ "$1" = --version ]; then ${version}; exit; fi\necho 'out of luck' >&2\nexit 7\n`;
  await writeFile(path, script, { mode: 0o755 });
  return path;
}
