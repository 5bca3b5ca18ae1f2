/** One real agent in a process of its own, with its gateway and a source that is told what to say. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunningAgent } from "../../src/app/agent/agent.ts";
import { startAgent } from "../../src/app/agent/agent.ts";
import type { SidecarClaim } from "../../src/app/agent/sidecars/sidecar-proofs.ts";
import { openSources } from "../../src/app/agent/sources/open-sources.ts";
import type { AgentConfig, HubConfig } from "../../src/app/config/config.ts";
import { startGateway } from "../../src/app/launcher/engine-launcher.ts";
import { realClock, realTimers } from "../../src/app/real-time.ts";
import { openRedisStore } from "../../src/discovery/io/catalog/redis/redis-store.ts";
import type { SourceEvents, WorkloadSource } from "../../src/discovery/source.ts";
import {
  parseMemberName,
  parseMeshDomain,
  parseNetworkName,
  parseServiceId,
} from "../../src/mesh/ids.ts";
import type { Log } from "../../src/mesh/ports.ts";
import type { Endpoint, LocalService } from "../../src/mesh/service.ts";

export interface AgentOrder {
  readonly member: string;
  readonly region: string;
  /** Holds `trust` and `gateway` of that member. */
  readonly dir: string;
  /** Where everything of it listens. */
  readonly host: string;
  readonly gatewayPort: number;
  readonly hubs: readonly HubConfig[];
  /** Exported services, each with two workloads in zone a and one in zone b. */
  readonly services: number;
  /** Its services are those of a cluster instead, with the sidecars that it was shown in an earlier life. */
  readonly cluster?: { readonly kubeconfig: string; readonly proofs: readonly SidecarClaim[] };
  /** The workload that new exports are about. */
  readonly real?: { readonly port: number; readonly sidecarPort: number };
}

export type ToAgent =
  | { readonly t: "start"; readonly order: AgentOrder }
  /** Zone b of that service loses its only workload, or gets it back. */
  | { readonly t: "turn"; readonly index: number }
  /** Turns other services, so many a second. */
  | { readonly t: "noise"; readonly perSecond: number }
  /** A service of one real workload is exported, or is healthy or not from now on. */
  | { readonly t: "export"; readonly name: string; readonly isHealthy?: boolean }
  | { readonly t: "cpu" }
  | { readonly t: "stop" };

export type FromAgent =
  | { readonly t: "started"; readonly xdsPort: number; readonly httpUrl: string }
  | { readonly t: "warm" }
  /** The source said it; when, by the monotonic clock of this machine. */
  | { readonly t: "said"; readonly atNs: string }
  /** User and system time of its process. */
  | { readonly t: "cpu"; readonly ms: number };

const log: Log = {
  debug: () => {},
  info: () => {},
  warn: (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
  error: (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
};
const lost = new Set<number>();
/** Turned by measurements only. */
const keptFromNoise = 10;
let events: SourceEvents | undefined;
let running: AsyncDisposableStack | undefined;
let order: AgentOrder | undefined;
let noise: NodeJS.Timeout | undefined;
let noisy = keptFromNoise;

process.on("message", (message: ToAgent) => {
  switch (message.t) {
    case "start":
      void start(message.order);
      break;
    case "turn":
      return say(turned(message.index));
    case "noise":
      return setNoise(message.perSecond);
    case "export":
      return say(realService(message.name, message.isHealthy ?? true));
    case "cpu": {
      const { user, system } = process.cpuUsage();
      return tell({ t: "cpu", ms: (user + system) / 1000 });
    }
    case "stop":
      void stop();
      break;
  }
});

async function start(next: AgentOrder): Promise<void> {
  order = next;
  const opened = new AsyncDisposableStack();
  running = opened;
  const config = configOf(next);
  const sources =
    next.cluster === undefined
      ? [toldSource(next.services)]
      : await clusterSources(next.cluster, { stateDir: config.catalog.snapshotDir, opened });
  const agent: RunningAgent = await startAgent(config, {
    stores: next.hubs.map((hub) =>
      openRedisStore(hub, {
        mesh: config.mesh,
        clock: realClock,
        timers: realTimers,
        random: Math.random,
        log,
      }),
    ),
    sources,
    log,
  });
  opened.use(agent);
  const gateway = await startGateway(
    {
      agent: agent.xds,
      identity: { dir: `${next.dir}/gateway` },
      engine: "embedded",
      workers: 1,
      admin: { host: next.host, port: 0 },
      logLevel: "warn",
      listen: { host: next.host, port: next.gatewayPort },
    },
    { log },
  );
  opened.use(gateway);
  tell({ t: "started", xdsPort: agent.xds.port, httpUrl: agent.httpUrl });
  await agent.whenWarm;
  tell({ t: "warm" });
}

async function stop(): Promise<void> {
  clearInterval(noise);
  await running?.disposeAsync();
  process.disconnect();
}

function tell(message: FromAgent): void {
  process.send?.(message);
}

function configOf(of: AgentOrder): AgentConfig {
  const at = { host: of.host, port: 0 };
  return {
    mesh: parseMeshDomain("acme.mesh"),
    member: {
      name: parseMemberName(of.member),
      cloud: "aws",
      region: of.region,
      network: parseNetworkName(of.member),
    },
    trust: { dir: `${of.dir}/trust` },
    catalog: {
      hubs: of.hubs,
      leaseMs: 10_000,
      snapshotDir: `${of.dir}/state`,
      expireAfterMs: 86_400_000,
    },
    sources: [],
    gateway: { addresses: [{ host: of.host, port: of.gatewayPort }] },
    xds: { listen: at },
    http: { listen: at },
    logLevel: "warn",
  };
}

async function clusterSources(
  { kubeconfig, proofs }: NonNullable<AgentOrder["cluster"]>,
  of: { readonly stateDir: string; readonly opened: AsyncDisposableStack },
): Promise<readonly WorkloadSource[]> {
  await mkdir(of.stateDir, { recursive: true });
  await writeFile(join(of.stateDir, "proofs.json"), JSON.stringify(proofs));
  const sources = await openSources([{ t: "kubernetes", kubeconfig }], {
    clock: realClock,
    random: Math.random,
  });
  of.opened.use(sources);
  return sources.all;
}

function toldSource(services: number): WorkloadSource {
  return {
    name: "told",
    start: async (given) => {
      events = given;
      const upserts = Array.from({ length: services }, (_, index) => serviceAt(index));
      given.onChange({ upserts, removed: [] });
      given.onFindings([]);
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

function say(service: LocalService): void {
  const atNs = String(process.hrtime.bigint());
  events?.onChange({ upserts: [service], removed: [] });
  tell({ t: "said", atNs });
}

function setNoise(perSecond: number): void {
  clearInterval(noise);
  if (perSecond === 0) return;
  noise = setInterval(() => {
    const count = order?.services ?? 0;
    noisy = noisy + 1 >= count ? keptFromNoise : noisy + 1;
    events?.onChange({ upserts: [turned(noisy)], removed: [] });
  }, 1000 / perSecond);
}

function turned(index: number): LocalService {
  if (!lost.delete(index)) lost.add(index);
  return serviceAt(index);
}

function serviceAt(index: number): LocalService {
  const at = (host: number, zone: string, isHealthy: boolean): Endpoint => {
    const address = `10.${host}.${index >> 8}.${index & 255}`;
    return {
      workload: `s${index}-${host}`,
      address,
      ports: { http: 8080 },
      zone,
      health: isHealthy ? "healthy" : "unhealthy",
      serviceAccount: "shop",
      sidecars: { http: { address, port: 15_006 } },
    };
  };
  const isLost = lost.has(index);
  return exported(`s${index}`, [at(0, "a", true), at(1, "a", true), at(2, "b", !isLost)]);
}

function realService(name: string, isHealthy: boolean): LocalService {
  const { real, host = "127.0.0.1" } = order ?? {};
  const port = real?.port ?? 0;
  return exported(name, [
    {
      workload: "cart-1",
      address: host,
      ports: { http: port },
      zone: "a",
      health: isHealthy ? "healthy" : "unhealthy",
      serviceAccount: "cart",
      sidecars: { http: { address: host, port: real?.sidecarPort ?? 0 } },
    },
  ]);
}

function exported(name: string, endpoints: readonly Endpoint[]): LocalService {
  return {
    id: parseServiceId(`shop/${name}`),
    type: "ClusterSetIP",
    ports: [{ name: "http", port: 80, protocol: "TCP", appProtocol: "http" }],
    endpoints,
    exported: { createdAtMs: 1_790_000_000_000 },
  };
}
