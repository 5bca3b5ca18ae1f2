/** CPU of an agent for one endpoint change in another member, with 100 sidecars; and how it grows. */
import { setTimeout as wait } from "node:timers/promises";
import type { AgentProcess } from "./load/agent-process.ts";
import { callers, wholeMesh } from "./load/caller-fleet.ts";
import { localName } from "./load/made-services.ts";
import { loadAverage, MeshStage } from "./load/mesh-stage.ts";
import { Fleet } from "./load/xds-agent.ts";
import { type Figure, report } from "./report.ts";

const changesPerRound = Number(process.env["CHANGES"] ?? 50);
const rounds = Number(process.env["ROUNDS"] ?? 8);
// The first changes warm the compiler up.
const warmUpRounds = 3;
const idleMs = 2000;
// Gateways that were just found carry their whole weight by then, and the sidecars' zones are counted.
const settleMs = 15_000;
const quietMs = 300;
const remote = { services: 300, workloads: 4000, names: "shared", gateways: 1 } as const;

interface Size {
  readonly localServices: number;
  readonly remotes: number;
  readonly sidecars: number;
}

interface Measured {
  readonly cpuMs: readonly number[];
  readonly lastMs: readonly number[];
}

const base: Size = { localServices: 1000, remotes: 10, sidecars: 100 };

async function measure(size: Size): Promise<Measured> {
  const exported = Math.min(remote.services, size.localServices);
  await using stage = await MeshStage.open({
    ...size,
    workloadsPerService: 4,
    exported,
    remote,
    hubs: 1,
  });
  await using agent = await stage.agent({ name: "measured" });
  await agent.warm();
  const local = Array.from({ length: size.localServices }, (_, index) => localName(index));
  const shared = Array.from({ length: remote.services }, (_, index) => localName(index));
  await using fleet = await Fleet.start({
    port: agent.xdsPort,
    ...wholeMesh({ local, exported: shared }),
    ...(await callers(stage.dir, size.sidecars)),
  });
  await wait(settleMs);
  const measured = { cpuMs: [] as number[], lastMs: [] as number[] };
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    const idlePerMs = await idleOf(agent);
    const startMs = performance.now();
    const before = agent.cpuMs();
    const reached: number[] = [];
    for (let change = 0; change < changesPerRound; change += 1) {
      const at = { member: change % size.remotes, index: (change * 7) % remote.services };
      reached.push((await fleet.reach(() => stage.turn(at))).lastMs);
    }
    await wait(quietMs);
    const idle = (performance.now() - startMs) * idlePerMs;
    if (round < 0) continue;
    measured.cpuMs.push((agent.cpuMs() - before - idle) / changesPerRound);
    measured.lastMs.push(...reached);
  }
  return measured;
}

/** What it uses while nothing changes: beats, probes, timers. */
async function idleOf(agent: AgentProcess): Promise<number> {
  const startMs = performance.now();
  const before = agent.cpuMs();
  await wait(idleMs);
  return (agent.cpuMs() - before) / (performance.now() - startMs);
}

const whole = await measure(base);
const figures: Figure[] = [
  {
    name: "agent CPU per change",
    unit: "ms",
    samples: whole.cpuMs,
    target: { atMost: 8 },
  },
  { name: "from the change to the last of the sidecars", unit: "ms", samples: whole.lastMs },
];
const grown: readonly (readonly [string, readonly Size[]])[] = [
  ["sidecars", [50, 200].map((sidecars) => ({ ...base, sidecars }))],
  ["remote members", [5, 20].map((remotes) => ({ ...base, remotes }))],
  ["own services", [500, 2000].map((localServices) => ({ ...base, localServices }))],
];
const isGrowthWanted = process.env["GROWTH"] !== "0";
for (const [what, sizes] of isGrowthWanted ? grown : []) {
  for (const size of sizes) {
    const { sidecars, remotes, localServices } = size;
    const count = { sidecars, "remote members": remotes, "own services": localServices }[what];
    const { cpuMs } = await measure(size);
    figures.push({
      name: `agent CPU per change with ${count} ${what}`,
      unit: "ms",
      samples: cpuMs,
    });
  }
}
report({
  claim:
    "one endpoint change in another member costs an agent with 100 sidecars at most 8 ms of CPU",
  setup: {
    ...base,
    ...remote,
    changesPerRound,
    change: "a zone of one service is lost or comes back",
    hubs: 1,
    loadAverage: loadAverage(),
  },
  figures,
});
