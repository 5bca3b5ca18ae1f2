/**
 * An EndpointSlice changed in one cluster until every sidecar of another member holds it: a real API server, real
 * agents, gateways, Redis and xDS streams. What the API server itself takes is measured by a plain watch beside the
 * agent, change by change.
 */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { anyPort, type SidecarClaim } from "../src/app/agent/sidecars/sidecar-proofs.ts";
import { parseNamespace } from "../src/mesh/ids.ts";
import { startRedis } from "../test/faults/support/redis-server.ts";
import { type KubeCluster, startCluster } from "../test/kube/cluster.ts";
import { installServiceExports } from "../test/kube/support/objects.ts";
import { forkHere, ToldProcess } from "../test/support/told-process.ts";
import { accountsFor, type Fleets, startFleets } from "./load/fleets.ts";
import { addressesAt, exportAll, type Population, populate } from "./load/kube-population.ts";
import { loadAverage } from "./load/mesh-stage.ts";
import type { FromWatch, ToWatch } from "./load/plain-watch.ts";
import { createSliceTurns, type SliceTurns } from "./load/slice-turns.ts";
import { type Agent, hubAt, issueMembers, startMemberAgent } from "./load/two-members.ts";
import { type Figure, quantile, report } from "./report.ts";

const plan: Population = {
  services: Number(process.env["SERVICES"] ?? 1000),
  endpointsPerSlice: 3,
  hasPods: true,
};
const sidecars = Number(process.env["SIDECARS"] ?? 100);
const rounds = Number(process.env["ROUNDS"] ?? 200);
const warmUpRounds = Number(process.env["WARM_UP_ROUNDS"] ?? 200);
/** Other changes of EndpointSlices in the same cluster per second, and what p50 and p99 must not exceed. */
const loads: readonly { perSecond: number; p50Ms?: number; p99Ms: number }[] = [
  { perSecond: 0, p50Ms: 6, p99Ms: 30 },
  { perSecond: 10, p50Ms: 6, p99Ms: 30 },
  { perSecond: 50, p50Ms: 6, p99Ms: 30 },
  { perSecond: 200, p99Ms: 100 },
];
/**
 * What the API server and its etcd yield to the rest, as `nice` counts: in a cluster they have machines of their own,
 * here they share two cores with everything that is measured. 0: nothing.
 */
const apiServerNice = Number(process.env["API_SERVER_NICE"] ?? 0);
const watchFile = fileURLToPath(new URL("load/plain-watch.ts", import.meta.url));
const host = "127.0.0.1";
const msPerTick = 10;
/** Turned by measurements only. */
const measured = 10;
// Longer than one change takes, and no divisor of the others' rhythm.
const restMs = 23;

type PlainWatch = ToldProcess<ToWatch, FromWatch>;

interface Stage {
  readonly cluster: KubeCluster;
  readonly watch: PlainWatch;
  readonly turns: SliceTurns;
  readonly agents: Readonly<Record<"east" | "west", Agent>>;
  readonly fleets: Fleets;
}

const dir = await mkdtemp(join(tmpdir(), "isthmus-bench-"));
try {
  await using opened = new AsyncDisposableStack();
  const stage = await openStage(opened);
  // An agent has run for days, and its code is compiled.
  await measure(stage, { perSecond: 50, count: warmUpRounds });
  const figures: Figure[] = [];
  for (const load of loads) {
    const samples = await measure(stage, { perSecond: load.perSecond, count: rounds });
    const name = load.perSecond === 0 ? "idle" : `${load.perSecond} other changes/s`;
    figures.push(...figuresOf(name, samples, load));
  }
  report({
    claim:
      "an endpoint of an EndpointSlice unready or ready again: all sidecars of another member hold it, beyond the API server's own watch delay",
    setup: {
      services: plan.services,
      sidecars,
      rounds,
      mTls: true,
      hubs: 1,
      apiServerNice,
      loadAverage: loadAverage(),
    },
    figures,
  });
} finally {
  await rm(dir, { recursive: true, force: true });
}

/** Cluster and member east, and member west with the sidecars that hear of it. */
async function openStage(opened: AsyncDisposableStack): Promise<Stage> {
  await issueMembers(dir, accountsFor(sidecars));
  // No controller: it would let go of pods whose nodes are not there.
  const cluster = opened.use(await startCluster({ name: "bench", controllers: false }));
  await fill(cluster);
  for (const { pid } of serversOf(cluster)) await yieldCpu(pid);
  const redis = opened.use(await startRedis());
  const hubs = [hubAt(`redis://${host}:${redis.port}`)];
  const common = { dir, host, run: forkHere, hubs, services: 0, opened };
  const from = { kubeconfig: cluster.kubeconfig(), proofs: proofs() };
  const [{ agent: east }, { agent: west, xdsPort }] = await Promise.all([
    startMemberAgent({ ...common, member: "east", cluster: from }),
    startMemberAgent({ ...common, member: "west" }),
  ]);
  const fleets = await startFleets({
    agent: { host, port: xdsPort },
    sidecars,
    dir: join(dir, "west"),
    expected: plan.services,
    run: forkHere,
    opened,
  });
  const watch: PlainWatch = opened.use(new ToldProcess(forkHere(watchFile)));
  const started = watch.hear("started");
  watch.tell({
    t: "start",
    order: { url: cluster.url, token: cluster.adminToken, caFile: cluster.caFile },
  });
  await started;
  const turns = createSliceTurns(cluster, { plan, spared: measured });
  return { cluster, watch, turns, fleets, agents: { east, west } };
}

function serversOf({ apiServer, etcd }: KubeCluster): readonly { readonly pid: number }[] {
  return [apiServer, etcd.process];
}

/** Linux counts it for each thread; those to come inherit it. */
async function yieldCpu(pid: number): Promise<void> {
  if (apiServerNice === 0) return;
  for (const thread of await readdir(`/proc/${pid}/task`))
    setPriority(Number(thread), apiServerNice);
}

async function fill(cluster: KubeCluster): Promise<void> {
  const { api } = cluster;
  await installServiceExports(api);
  await cluster.createNamespace("shop");
  await api.call("POST", "/api/v1/namespaces/shop/serviceaccounts", {
    metadata: { name: "default" },
  });
  process.stderr.write(`filling the cluster with ${plan.services} services\n`);
  await populate(api, plan);
  await exportAll(api, plan);
}

/** As if every pod's sidecar had been connected. */
function proofs(): readonly SidecarClaim[] {
  const namespace = parseNamespace("shop");
  return Array.from({ length: plan.services }, (_, index) =>
    addressesAt(index, 0, plan.endpointsPerSlice),
  )
    .flat()
    .map((address) => {
      const at = { host: address, port: anyPort };
      return { namespace, serviceAccount: "default", endpoint: at, listen: at };
    });
}

interface Samples {
  /** From the write of the change to its event in the plain watch. */
  readonly watchMs: readonly number[];
  /** From that event to the first and the last of all sidecars. */
  readonly firstMs: readonly number[];
  readonly lastMs: readonly number[];
  /** Per change. */
  readonly cpuMs: CpuMs;
  /** Other changes that were really made. */
  readonly perSecond: number;
}

async function measure(
  { cluster, watch, turns, fleets, agents }: Stage,
  { perSecond, count }: { readonly perSecond: number; readonly count: number },
): Promise<Samples> {
  await using noise = turns.startNoise(perSecond);
  const watchMs: number[] = [];
  const firstMs: number[] = [];
  const lastMs: number[] = [];
  let cpu: CpuMs = { east: 0, west: 0, servers: 0 };
  let others = 0;
  let startMs = 0;
  // The first ones come while the others' rhythm begins.
  for (let round = -5; round < count; round += 1) {
    if (round === 0) {
      cpu = await cpuOf(cluster, agents);
      others = noise.count();
      startMs = performance.now();
    }
    await wait(restMs);
    const index = (round + 5) % measured;
    const { seen } = await fleets.watch(fleets.nameOf(`s${index}`));
    const watching = watch.hear("watching");
    watch.tell({ t: "watch", slice: `s${index}-1` });
    await watching;
    const event = watch.hear("event");
    const writtenNs = process.hrtime.bigint();
    const turned = turns.turn(index);
    const [{ atNs }, { firstNs, lastNs }] = await Promise.all([event, seen, turned]);
    if (round < 0) continue;
    const eventNs = BigInt(atNs);
    watchMs.push(Number(eventNs - writtenNs) / 1e6);
    firstMs.push(Number(firstNs - eventNs) / 1e6);
    lastMs.push(Number(lastNs - eventNs) / 1e6);
  }
  const seconds = (performance.now() - startMs) / 1000;
  const changes = count + noise.count() - others;
  const after = await cpuOf(cluster, agents);
  return {
    watchMs,
    firstMs,
    lastMs,
    cpuMs: {
      east: (after.east - cpu.east) / changes,
      west: (after.west - cpu.west) / changes,
      servers: (after.servers - cpu.servers) / changes,
    },
    perSecond: (changes - count) / seconds,
  };
}

/** Of each agent, and of the API server with its etcd. */
type CpuMs = Readonly<Record<"east" | "west" | "servers", number>>;

async function cpuOf(cluster: KubeCluster, agents: Stage["agents"]): Promise<CpuMs> {
  const of = async (agent: Agent): Promise<number> => {
    const heard = agent.hear("cpu");
    agent.tell({ t: "cpu" });
    return (await heard).ms;
  };
  const servers = await Promise.all(serversOf(cluster).map(({ pid }) => cpuMsOf(pid)));
  return {
    east: await of(agents.east),
    west: await of(agents.west),
    servers: servers.reduce((sum, ms) => sum + ms, 0),
  };
}

/** User and system time. Source: proc(5), fields 14 and 15 of `stat`. */
async function cpuMsOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * msPerTick;
}

function figuresOf(
  name: string,
  { watchMs, firstMs, lastMs, cpuMs, perSecond }: Samples,
  { p50Ms, p99Ms }: { readonly p50Ms?: number; readonly p99Ms: number },
): readonly Figure[] {
  const beyond = `${name}: beyond that, the last sidecar`;
  return [
    { name: `${name}: other changes made`, unit: "per second", samples: [perSecond] },
    { name: `${name}: CPU per change, agent that reads it`, unit: "ms", samples: [cpuMs.east] },
    { name: `${name}: CPU per change, agent that hears of it`, unit: "ms", samples: [cpuMs.west] },
    { name: `${name}: CPU per change, API server and etcd`, unit: "ms", samples: [cpuMs.servers] },
    { name: `${name}: written until a plain watch has it`, unit: "ms", samples: watchMs },
    { name: `${name}: beyond that, the first sidecar`, unit: "ms", samples: firstMs },
    {
      name: beyond,
      unit: "ms",
      samples: lastMs,
      ...(p50Ms === undefined ? {} : { target: { atMost: p50Ms } }),
    },
    {
      name: `${beyond}, p99`,
      unit: "ms",
      samples: [quantile(lastMs, 0.99)],
      target: { atMost: p99Ms },
    },
  ];
}
