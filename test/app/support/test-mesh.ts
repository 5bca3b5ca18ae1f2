import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AgentParts, type RunningAgent, startAgent } from "../../../src/app/agent/agent.ts";
import type { AgentConfig, GatewayConfig, SidecarConfig } from "../../../src/app/config/config.ts";
import {
  type RunningEngine,
  startGateway,
  startSidecar,
} from "../../../src/app/launcher/engine-launcher.ts";
import { realTimers } from "../../../src/app/real-time.ts";
import { makeGateway, makeMember, makeRoot, makeWorkload } from "../../../src/app/trust-tasks.ts";
import { createMemoryHub, type MemoryHub } from "../../../src/discovery/io/catalog/memory-store.ts";
import type { CatalogStore } from "../../../src/discovery/shards/store.ts";
import { formatHostPort, type HostPort } from "../../../src/mesh/address.ts";
import {
  parseMemberName,
  parseMeshDomain,
  parseNamespace,
  parseNetworkName,
  parseServiceId,
} from "../../../src/mesh/ids.ts";
import type { Log } from "../../../src/mesh/ports.ts";
import { signCharter } from "../../../src/trust/charter.ts";
import { withStanding } from "../../../src/trust/charter-edit.ts";
import { loadRoot } from "../../../src/trust/io/member-files.ts";
import { freePorts } from "./free-port.ts";
import { type App, startApp, writeService } from "./shop.ts";

export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

export function local(port: number): HostPort {
  return { host: "127.0.0.1", port };
}

/** A mesh of real agents, gateways and sidecars in this process, on loopback, in a folder of its own. */
export class TestMesh implements AsyncDisposable {
  readonly dir: string;
  readonly hub: MemoryHub = createMemoryHub({ name: "memory", timers: realTimers });
  readonly log: Log;
  /** What agents that are started from now on are told of trust besides their folder, by member. */
  readonly trust: Map<string, Omit<AgentConfig["trust"], "dir">> = new Map();
  /** Of launchers that are started from now on; absent: their default. */
  checkEveryMs: number | undefined;
  /** The hubs of agents that are started from now on; absent: the one in this process. */
  stores: (() => readonly CatalogStore[]) | undefined;
  readonly #opened = new AsyncDisposableStack();

  private constructor(dir: string, log: Log) {
    this.dir = dir;
    this.log = log;
  }

  static async open(log: Log = silentLog): Promise<TestMesh> {
    const mesh = new TestMesh(await mkdtemp(join(tmpdir(), "isthmus-app-")), log);
    mesh.defer(() => rm(mesh.dir, { recursive: true, force: true }));
    await makeRoot({ mesh: "acme.mesh", dir: join(mesh.dir, "root") });
    return mesh;
  }

  /** Parts of a mesh whose folder another process made, and removes. */
  static at(dir: string, log: Log = silentLog): TestMesh {
    return new TestMesh(dir, log);
  }

  /** Charter entry and folder of a member; call for all members before the first agent starts. */
  async issue(name: string, region: string): Promise<void> {
    await makeMember({
      name,
      dir: join(this.dir, "root"),
      out: join(this.dir, name, "trust"),
      cloud: "aws",
      region,
      network: undefined,
      gatewayRanges: ["127.0.0.0/8", "::1"],
      mayExport: ["shop"],
      renew: false,
    });
    await makeGateway({ dir: join(this.dir, name, "trust"), out: join(this.dir, name, "gateway") });
  }

  /** As the root's owner does; the catalog brings it to the others. */
  async deny(name: string): Promise<void> {
    const { root, charter } = await loadRoot(join(this.dir, "root"));
    const next = withStanding(charter.charter, {
      name: parseMemberName(name),
      state: "denied",
      nowMs: Date.now(),
    });
    const { signed } = await signCharter(next, root.signer);
    await using store = this.hub.connect();
    const entry = { member: parseMemberName("east"), number: next.number, charter: signed };
    await store.putCharter(entry, new AbortController().signal);
  }

  servicesDir(name: string): string {
    return join(this.dir, name, "services");
  }

  agentConfig(name: string, region: string, gatewayPort: number): AgentConfig {
    return {
      mesh: parseMeshDomain("acme.mesh"),
      member: {
        name: parseMemberName(name),
        cloud: "aws",
        region,
        network: parseNetworkName(name),
      },
      trust: { dir: join(this.dir, name, "trust"), ...this.trust.get(name) },
      catalog: {
        leaseMs: 10_000,
        snapshotDir: join(this.dir, name, "state"),
        expireAfterMs: 86_400_000,
      },
      sources: [{ t: "files", dir: this.servicesDir(name) }],
      gateway: { addresses: [local(gatewayPort)] },
      xds: { listen: local(0) },
      http: { listen: local(0) },
      logLevel: "silent",
    };
  }

  async startAgent(config: AgentConfig, parts: Partial<AgentParts> = {}): Promise<RunningAgent> {
    const stores = this.stores?.() ?? [this.hub.connect()];
    const agent = await startAgent(config, { stores, log: this.log, ...parts });
    this.#opened.use(agent);
    return agent;
  }

  async startGateway(
    name: string,
    at: Partial<GatewayConfig> & { agent: HostPort; port: number },
  ): Promise<RunningEngine> {
    const { port, ...more } = at;
    const gateway = await startGateway(
      {
        identity: this.#identity(join(this.dir, name, "gateway")),
        engine: "embedded",
        workers: 1,
        admin: local(0),
        logLevel: "silent",
        listen: local(port),
        ...more,
      },
      { log: this.log },
    );
    this.#opened.use(gateway);
    return gateway;
  }

  /** The identity is named after the workload, and issued here at its first start. */
  async startSidecar(
    name: string,
    options: Pick<SidecarConfig, "workload" | "serviceAccount" | "agent"> &
      Partial<
        Pick<
          SidecarConfig,
          "engine" | "upstreams" | "inbound" | "capture" | "registration" | "otherAgents"
        >
      >,
  ): Promise<RunningEngine> {
    const dir = join(this.dir, name, options.workload);
    const isKnown = existsSync(join(dir, "svid.pem"));
    if (!isKnown)
      await makeWorkload({
        account: `shop/${options.serviceAccount}`,
        dir: join(this.dir, name, "trust"),
        out: dir,
      });
    const sidecar = await startSidecar(
      {
        identity: this.#identity(dir),
        engine: "embedded",
        workers: 1,
        admin: local(0),
        logLevel: "silent",
        namespace: parseNamespace("shop"),
        zone: "a",
        capture: "ports",
        upstreams: [],
        inbound: [],
        ...options,
      },
      { log: this.log },
    );
    this.#opened.use(sidecar);
    return sidecar;
  }

  #identity(dir: string): GatewayConfig["identity"] {
    const { checkEveryMs } = this;
    return { dir, ...(checkEveryMs === undefined ? {} : { checkEveryMs }) };
  }

  defer(close: () => Promise<void>): void {
    this.#opened.defer(close);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
  }
}

/** A member with one exported service `cart` behind one sidecar, and its gateway. */
export interface TestMember {
  readonly name: string;
  readonly agent: RunningAgent;
  readonly gateway: RunningEngine;
  /** Where others are told to find its gateway. */
  readonly gatewayPort: number;
  readonly cart: App;
  readonly cartSidecar: RunningEngine;
  /** Drains the only cart, or takes it back. */
  readonly drain: (isDraining: boolean) => Promise<void>;
}

/** East and west, all of whose parts do their work, and a caller in east. */
export async function startTwoMembers(mesh: TestMesh): Promise<{
  readonly east: TestMember;
  readonly caller: Awaited<ReturnType<typeof startCaller>>;
}> {
  await mesh.issue("east", "us-east-1");
  await mesh.issue("west", "us-west-1");
  const [east, west] = await Promise.all([
    startMember(mesh, "east", "us-east-1"),
    startMember(mesh, "west", "us-west-1"),
  ]);
  await Promise.all([east.agent.whenWarm, west.agent.whenWarm]);
  await Promise.all(
    [east.gateway, east.cartSidecar, west.gateway, west.cartSidecar].map((one) => one.whenReady),
  );
  const caller = await startCaller(mesh, east);
  await caller.sidecar.whenReady;
  return { east, caller };
}

export async function startMember(
  mesh: TestMesh,
  name: string,
  region: string,
  /** Where others are told to find its gateway; absent: where that listens. */
  publish?: (gateway: number) => Promise<number>,
): Promise<TestMember> {
  const [gatewayPort = 0, appPort = 0, inboundPort = 0] = await freePorts(3);
  const workload = `cart-${name}`;
  const drain = (isDraining: boolean): Promise<void> =>
    writeService(mesh.servicesDir(name), {
      name: "cart",
      isExported: true,
      workloads: [{ name: workload, port: appPort, isDraining }],
    });
  await drain(false);
  const cart = await startApp(`cart of ${name}`, appPort);
  mesh.defer(cart.kill);
  const published = (await publish?.(gatewayPort)) ?? gatewayPort;
  const agent = await mesh.startAgent(mesh.agentConfig(name, region, published));
  const [gateway, cartSidecar] = await Promise.all([
    mesh.startGateway(name, { agent: agent.xds, port: gatewayPort }),
    mesh.startSidecar(name, {
      agent: agent.xds,
      workload,
      serviceAccount: "cart",
      inbound: [{ endpoint: local(appPort), listen: local(inboundPort), app: local(appPort) }],
    }),
  ]);
  return { name, agent, gateway, gatewayPort: published, cart, cartSidecar, drain };
}

/** The sidecar of a caller; returns the base URL under which it reaches `cart`. */
export async function startCaller(
  mesh: TestMesh,
  member: { readonly name: string; readonly agent: Pick<RunningAgent, "xds"> },
  workload = "frontend-1",
  {
    host = "127.0.0.1",
    ...more
  }: { readonly host?: string } & Partial<Pick<SidecarConfig, "engine">> = {},
): Promise<{ readonly sidecar: RunningEngine; readonly url: string }> {
  const [port = 0] = await freePorts(1);
  const sidecar = await mesh.startSidecar(member.name, {
    agent: member.agent.xds,
    workload,
    serviceAccount: workload,
    upstreams: [{ service: parseServiceId("shop/cart"), port: 80, listen: { host, port } }],
    ...more,
  });
  return { sidecar, url: `http://${formatHostPort({ host, port })}/` };
}
