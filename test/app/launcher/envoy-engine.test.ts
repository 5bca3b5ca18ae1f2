// Launchers with a real agent and real Envoys, in this process.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { connect } from "node:tls";
import { type RunningEngine, startSidecar } from "../../../src/app/launcher/engine-launcher.ts";
import { formatHostPort, type HostPort } from "../../../src/mesh/address.ts";
import { parseNamespace, parseServiceId } from "../../../src/mesh/ids.ts";
import { issueWorkload } from "../../../src/trust/io/trust-files.ts";
import { freePorts } from "../support/free-port.ts";
import { type App, startApp, writeService } from "../support/shop.ts";
import { SteadyLoad } from "../support/steady-load.ts";
import { local, silentLog, TestMesh } from "../support/test-mesh.ts";
import { envoys, whyNot } from "./envoy/envoys.ts";

interface Told {
  readonly isConnected: boolean;
  readonly identity: { readonly notAfterMs: number };
  readonly counts: { readonly accepted: number; readonly restarts: number };
  readonly envoy: {
    readonly pid: number | null;
    readonly state: string;
    readonly lastEnd: string | null;
  };
}

async function told(engine: RunningEngine): Promise<Told> {
  return (await (await fetch(`${engine.adminUrl}/config`)).json()) as Told;
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  while (!(await isTrue())) {
    assert.ok(performance.now() < deadlineMs, `Not within a minute: ${what}`);
    await wait(20);
  }
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connectTcp(port, "127.0.0.1");
  return (await new Promise((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
  }).finally(() => socket.destroy())) as boolean;
}

for (const { what, binary } of envoys) {
  suite(`a sidecar by ${what}`, { skip: whyNot(binary) }, () => {
    const before_ = process.env["ISTHMUS_ENVOY"];
    let mesh: TestMesh;
    let agent: HostPort;
    let api = "";
    let apps: App[] = [];
    let ports: readonly number[] = [];
    const port = (index: number): number => ports[index] ?? 0;
    const url = (): string => `http://${formatHostPort(local(port(4)))}/`;
    let frontend: RunningEngine;
    const carts: RunningEngine[] = [];

    before(async () => {
      process.env["ISTHMUS_ENVOY"] = binary;
      mesh = await TestMesh.open();
      await mesh.issue("east", "us-east-1");
      ports = await freePorts(8);
      apps = await Promise.all([0, 1].map((index) => startApp(`cart-${index}`, port(index))));
      await writeService(mesh.servicesDir("east"), {
        name: "cart",
        isExported: false,
        workloads: [0, 1].map((index) => ({ name: `cart-${index}`, port: port(index) })),
      });
      const running = await mesh.startAgent(mesh.agentConfig("east", "us-east-1", port(7)));
      agent = running.xds;
      api = running.httpUrl;
      for (const index of [0, 1]) carts.push(await startCart(index));
      frontend = await mesh.startSidecar("east", {
        agent,
        engine: "envoy",
        workload: "frontend-1",
        serviceAccount: "frontend",
        upstreams: [{ service: parseServiceId("shop/cart"), port: 80, listen: local(port(4)) }],
        inbound: [{ endpoint: local(port(6)), listen: local(port(5)), app: local(port(0)) }],
      });
      await Promise.all([...carts, frontend].map(({ whenReady }) => whenReady));
    });
    after(async () => {
      await mesh[Symbol.asyncDispose]();
      for (const app of apps) await app.kill();
      if (before_ === undefined) delete process.env["ISTHMUS_ENVOY"];
      else process.env["ISTHMUS_ENVOY"] = before_;
    });

    /** Its SVID is due for renewal some seconds after its start. */
    async function startCart(index: number): Promise<RunningEngine> {
      const dir = join(mesh.dir, "east", `cart-${index}`);
      const account = { namespace: "shop", serviceAccount: "cart" };
      const trust = join(mesh.dir, "east", "trust");
      // Backdated by a quarter of an hour, and renewed at half its life.
      const lifeMs = 15 * 60_000 + 20_000;
      const isNew = !existsSync(dir);
      if (isNew) await issueWorkload({ dir: trust, out: dir, account, nowMs: Date.now(), lifeMs });
      const appAt = local(port(index));
      const sidecar = await startSidecar(
        {
          agent: local(1),
          // Nobody listens at the first address.
          otherAgents: [agent],
          identity: { dir },
          engine: "envoy",
          workers: 1,
          admin: local(0),
          logLevel: "error",
          namespace: parseNamespace("shop"),
          workload: `cart-${index}`,
          serviceAccount: "cart",
          zone: "a",
          capture: "ports",
          upstreams: [],
          inbound: [{ endpoint: appAt, listen: local(port(2 + index)), app: appAt }],
        },
        { log: silentLog, random: () => 0.5 },
      );
      mesh.defer(async () => sidecar[Symbol.asyncDispose]());
      return sidecar;
    }

    test("is ready when it carries requests, whichever of its agents is there", async () => {
      assert.equal((await fetch(`${frontend.adminUrl}/readyz`)).status, 200);
      assert.match(await (await fetch(url())).text(), /^cart-[01]\n$/);
      assert.deepEqual(
        new Set(frontend.listening().values()),
        new Set([local(port(4)), local(port(5))]),
      );
      const [cart] = carts;
      assert.ok(cart);
      assert.equal((await told(cart)).isConnected, true);
    });

    test("counts what Envoy counts", async () => {
      const page = await (await fetch(`${frontend.adminUrl}/metrics`)).text();
      assert.match(page, /^isthmus_engine_connections_total [1-9]/m);
      assert.match(page, /^isthmus_engine_agent_connected 1$/m);
      const own = await (await fetch(`${frontend.adminUrl}/metrics/envoy`)).text();
      assert.match(own, /^envoy_cluster_upstream_rq_total\{[^}]*mesh_service="cart\.shop"/m);
    });

    test("shows its renewed SVID without a restart, and no request fails", async () => {
      const [cart] = carts;
      assert.ok(cart);
      const { envoy, identity } = await told(cart);
      await using load = new SteadyLoad(url(), { callers: 4, pauseMs: 5 });
      await until("the SVID is renewed", async () => {
        return (await told(cart)).identity.notAfterMs > identity.notAfterMs;
      });
      const { notAfterMs } = (await told(cart)).identity;
      await until("Envoy shows the renewed SVID", async () => {
        return (await shownUntilMs(port(2))) === notAfterMs;
      });
      await load.more(50);
      assert.deepEqual(load.failures, []);
      assert.equal((await told(cart)).envoy.pid, envoy.pid);
    });

    test("leaves its port in good order: no request fails while one workload of two ends", async () => {
      const [cart] = carts;
      assert.ok(cart);
      await using load = new SteadyLoad(url(), { callers: 4, pauseMs: 5 });
      await load.more(50);
      const { accepted } = (await told(cart)).counts;
      assert.ok(accepted > 0, "its port was in use");
      await cart.stop({ deadlineMs: 8_000 });
      await load.more(50);
      assert.deepEqual(load.failures, []);
      assert.equal(cart.enginePid(), undefined);
    });

    test("a newer build at the same port takes over its part: no request fails", async () => {
      await using load = new SteadyLoad(url(), { callers: 4, pauseMs: 5 });
      await load.more(50);
      const successor = await startCart(0);
      await successor.whenReady;
      await until("it is called", async () => (await told(successor)).counts.accepted > 0);
      await load.more(50);
      assert.deepEqual(load.failures, []);
    });

    test("is started again when it is killed", async () => {
      const pid = frontend.enginePid();
      assert.ok(pid);
      process.kill(pid, "SIGKILL");
      await until("another Envoy is ready", async () => {
        const { envoy } = await told(frontend);
        return envoy.state === "ready" && envoy.pid !== pid;
      });
      assert.equal((await fetch(url())).status, 200);
      const { counts, envoy } = await told(frontend);
      assert.deepEqual([counts.restarts, envoy.lastEnd], [1, "it was ended by SIGKILL"]);
      const page = await (await fetch(`${frontend.adminUrl}/metrics`)).text();
      assert.match(page, /^isthmus_engine_restarts_total 1$/m);
    });

    test("its agent says that it was started again", async () => {
      const page = await fetch(`${api}/api/v1/findings`);
      const { findings } = (await page.json()) as {
        readonly findings: readonly { readonly code: string; readonly subject: string }[];
      };
      const own = findings.filter(({ code }) => code === "PROXY_ENGINE_RESTARTED");
      assert.deepEqual(
        own.map(({ subject }) => subject),
        ["shop/frontend-1"],
      );
    });

    test("lets its own application call others until it ends", async () => {
      await using load = new SteadyLoad(url(), { callers: 4, pauseMs: 5 });
      await load.more(50);
      // Whatever is open keeps it from ending before its time: a caller that has not yet said anything.
      const caller = connectTcp(port(5), "127.0.0.1").on("error", () => undefined);
      const stopped = frontend.stop({ deadlineMs: 60_000 });
      await until("it lets nobody in", async () => !(await isOpen(port(5))));
      await load.more(50);
      assert.deepEqual(load.failures, []);
      await load[Symbol.asyncDispose]();
      caller.destroy();
      await stopped;
      assert.equal(frontend.enginePid(), undefined);
    });

    test("keeps keys from others", async () => {
      const bootstrap = await readFile(
        join(mesh.dir, "east/frontend-1/envoy/bootstrap.json"),
        "utf8",
      );
      assert.doesNotMatch(bootstrap, /PRIVATE KEY/);
    });
  });
}

/** When the certificate ends that a listener shows. */
function shownUntilMs(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      resolve(Date.parse(socket.getPeerCertificate().valid_to));
      socket.destroy();
    });
    socket.on("error", reject);
  });
}
