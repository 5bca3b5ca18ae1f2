/** What an agent of a mesh of 50 members on 3 hubs costs while nothing changes; and how it grows with members. */
import { setTimeout as wait } from "node:timers/promises";
import { loadAverage, MeshStage } from "./load/mesh-stage.ts";
import { type Figure, median, report } from "./report.ts";

const members = Number(process.env["MEMBERS"] ?? 50);
const rounds = Number(process.env["ROUNDS"] ?? 5);
const hubs = 3;
// By then V8 has given back what the start left behind, which costs it a tenth of a second.
const settleMs = 40_000;
const windowMs = 10_000;
const remote = { services: 100, workloads: 400, names: "shared" } as const;

interface Measured {
  /** Of one core. */
  readonly cpuPercent: readonly number[];
  readonly connections: readonly number[];
  readonly rssMB: readonly number[];
}

async function measure(remotes: number, gateways: number): Promise<Measured> {
  await using stage = await MeshStage.open({
    remotes,
    localServices: remote.services,
    workloadsPerService: 4,
    exported: remote.services,
    remote: { ...remote, gateways },
    hubs,
  });
  await using agent = await stage.agent({ name: "measured" });
  await agent.warm();
  await wait(settleMs);
  const measured = {
    cpuPercent: [] as number[],
    connections: [] as number[],
    rssMB: [] as number[],
  };
  for (let round = 0; round < rounds; round += 1) {
    const startMs = performance.now();
    const before = agent.cpuMs();
    await wait(windowMs);
    measured.cpuPercent.push((100 * (agent.cpuMs() - before)) / (performance.now() - startMs));
    measured.rssMB.push(agent.rssMB());
    measured.connections.push(...stage.hubPorts.map((port) => agent.connectionsTo(port)));
  }
  return measured;
}

const sizes = [Math.ceil(members / 4), Math.ceil(members / 2), members];
const all = new Map<number, Measured>();
for (const size of sizes) all.set(size, await measure(size, 0));
const probed = await measure(members, 1);
const largest = all.get(members);
const smallest = all.get(sizes[0] ?? 0);
const perMember = (of: (one: Measured) => readonly number[]): number[] =>
  largest === undefined || smallest === undefined
    ? []
    : [(median(of(largest)) - median(of(smallest))) / (members - (sizes[0] ?? 0))];

const figures: Figure[] = [
  {
    name: `CPU with ${members} members`,
    unit: "percent of a core",
    samples: largest?.cpuPercent ?? [],
    target: { atMost: 1 },
  },
  {
    name: "connections to each hub",
    unit: "connections",
    samples: largest?.connections ?? [],
    target: { atMost: 4 },
    judgedBy: "worst",
  },
  ...sizes.slice(0, -1).map((size): Figure => {
    const samples = all.get(size)?.cpuPercent ?? [];
    return { name: `CPU with ${size} members`, unit: "percent of a core", samples };
  }),
  {
    name: "CPU per further member",
    unit: "percent of a core",
    samples: perMember((one) => one.cpuPercent),
  },
  { name: "RSS per further member", unit: "MB", samples: perMember((one) => one.rssMB) },
  {
    name: `CPU with ${members} members, each with a gateway that is probed`,
    unit: "percent of a core",
    samples: probed.cpuPercent,
  },
];
report({
  claim:
    "an agent of 50 idle members on 3 hubs uses at most 1 % of a core and 4 connections per hub",
  setup: {
    ...remote,
    hubs,
    windowMs,
    gatewaysPerMember: 0,
    leaseMs: 10_000,
    loadAverage: loadAverage(),
  },
  figures,
});
