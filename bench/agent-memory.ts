/** RSS of an agent with 1,000 services of its own and 10 remote members, alone and with 200 sidecars; and how it grows. */
import { setTimeout as wait } from "node:timers/promises";
import type { AgentProcess } from "./load/agent-process.ts";
import { callers, wholeMesh } from "./load/caller-fleet.ts";
import { localName, type RemotePlan, remoteName } from "./load/made-services.ts";
import { loadAverage, MeshStage } from "./load/mesh-stage.ts";
import { Fleet } from "./load/xds-agent.ts";
import { type Figure, median, report } from "./report.ts";

const localServices = Number(process.env["SERVICES"] ?? 1000);
const remotes = Number(process.env["REMOTES"] ?? 10);
const sidecars = Number(process.env["SIDECARS"] ?? 200);
const rounds = Number(process.env["ROUNDS"] ?? 3);
const exported = Math.min(300, localServices);
const remote = { services: 300, workloads: 4000, gateways: 1 } as const;
// Garbage that the collector takes back without being asked does not count.
const quietMs = 20_000;

interface Size {
  readonly localServices: number;
  readonly remotes: number;
  readonly sidecars: number;
  readonly names: RemotePlan["names"];
}

interface Measured {
  readonly aloneMB: number;
  readonly connectedMB: number;
  /** Until the first configuration of a sidecar was acknowledged, handshake included. */
  readonly cpuPerSidecarMs: number;
}

async function measure(size: Size): Promise<Measured> {
  const plan: RemotePlan = { ...remote, names: size.names };
  await using stage = await MeshStage.open({
    remotes: size.remotes,
    localServices: size.localServices,
    workloadsPerService: 4,
    exported,
    remote: plan,
    hubs: 1,
  });
  await using agent = await stage.agent({ name: "measured" });
  await agent.warm();
  await wait(quietMs);
  const aloneMB = await rssOf(agent);
  if (size.sidecars === 0) return { aloneMB, connectedMB: aloneMB, cpuPerSidecarMs: 0 };
  const cpuBefore = agent.cpuMs();
  await using fleet = await Fleet.start({
    port: agent.xdsPort,
    ...wholeMesh(namesOf(size, plan)),
    ...(await callers(stage.dir, size.sidecars)),
  });
  const cpuPerSidecarMs = (agent.cpuMs() - cpuBefore) / size.sidecars;
  await wait(quietMs);
  const connectedMB = await rssOf(agent);
  void fleet;
  return { aloneMB, connectedMB, cpuPerSidecarMs };
}

async function rssOf(agent: AgentProcess): Promise<number> {
  const samples: number[] = [];
  for (let sample = 0; sample < 10; sample += 1) {
    samples.push(agent.rssMB());
    await wait(200);
  }
  return median(samples);
}

function namesOf(size: Size, plan: RemotePlan): Parameters<typeof wholeMesh>[0] {
  const local = Array.from({ length: size.localServices }, (_, index) => localName(index));
  const shared = local.slice(0, exported);
  const own = Array.from({ length: size.remotes }, (_, member) =>
    Array.from({ length: plan.services }, (_, index) => remoteName(plan, { member, index })),
  );
  return { local, exported: size.names === "shared" ? shared : [...shared, ...own.flat()] };
}

async function repeated(size: Size): Promise<readonly Measured[]> {
  const all: Measured[] = [];
  for (let round = 0; round < rounds; round += 1) all.push(await measure(size));
  return all;
}

const base = { localServices, remotes, sidecars, names: "shared" } as const;
const full = await repeated(base);
const fewer = await repeated({ ...base, sidecars: 1 });
const ownNames = await repeated({ ...base, sidecars: 1, names: "own" });
const nobody = await repeated({ ...base, sidecars: 1, remotes: 0 });
const connected = (all: readonly Measured[]): readonly number[] =>
  all.map((one) => one.connectedMB);

/** Pairs of rounds: what the greater one has more, for each of `count`. */
function growth(
  name: string,
  from: readonly Measured[],
  to: { readonly all: readonly Measured[]; readonly count: number; readonly atMost?: number },
): Figure {
  const samples = to.all.map(
    (one, index) => (one.connectedMB - (from[index]?.connectedMB ?? Number.NaN)) / to.count,
  );
  return {
    name,
    unit: "MB",
    samples,
    ...(to.atMost === undefined ? {} : { target: { atMost: to.atMost } }),
  };
}

report({
  claim:
    "an agent with 1,000 services and 10 remote members needs at most 200 MB and 0.4 MB per sidecar, and 5 MB per remote member",
  setup: {
    localServices,
    workloadsPerLocalService: 4,
    remotes,
    remoteServices: remote.services,
    remoteWorkloads: remote.workloads,
    sidecars,
    resourcesPerSidecar: wholeMesh(namesOf(base, { ...remote, names: "shared" })).expected,
    hubs: 1,
    loadAverage: loadAverage(),
  },
  figures: [
    {
      name: `RSS with ${sidecars} sidecars`,
      unit: "MB",
      samples: connected(full),
      target: { atMost: 200 + 0.4 * sidecars },
    },
    { name: "RSS without sidecars", unit: "MB", samples: full.map((one) => one.aloneMB) },
    {
      name: "RSS with one sidecar",
      unit: "MB",
      samples: connected(fewer),
      target: { atMost: 200.4 },
    },
    growth("per further sidecar", fewer, { all: full, count: sidecars - 1, atMost: 0.4 }),
    growth("per remote member, the same names everywhere", nobody, {
      all: fewer,
      count: remotes,
      atMost: 5,
    }),
    growth("per remote member, names of its own", nobody, {
      all: ownNames,
      count: remotes,
      atMost: 5,
    }),
    {
      name: "CPU per sidecar, handshake and first configuration",
      unit: "ms",
      samples: full.map((one) => one.cpuPerSidecarMs),
    },
  ],
});
