/** One small endpoint change to 2,000 connected sidecars: CPU per stream and the last client's delay. */
import { setTimeout } from "node:timers/promises";
import { benchAssignment, clusterName, Fleet, startBenchAgent } from "./load/xds-agent.ts";
import { type Figure, report } from "./report.ts";

const clients = 2000;
const endpoints = 100;
const rounds = 30;
// Answers are worked off in this time; the CPU they cost counts.
const quietMs = 300;

interface Result {
  readonly cpuUs: readonly number[];
  readonly lastMs: readonly number[];
}

async function measure(options: { readonly isTls: boolean }): Promise<Result> {
  await using agent = await startBenchAgent(options);
  const change = (seed: number): void => {
    const upserts = [benchAssignment(0, { endpoints, seed })];
    agent.set.apply({ upserts, removed: [] });
  };
  change(0);
  await using fleet = await Fleet.start({
    port: agent.port,
    count: clients,
    nodeBytes: 1000,
    subscriptions: [{ type: "endpoint", names: [clusterName(0)] }],
    expected: 1,
    ...(agent.tls === undefined ? {} : { tls: agent.tls }),
  });
  const cpuUs: number[] = [];
  const lastMs: number[] = [];
  // The first rounds warm the compiler up.
  for (let round = -5; round < rounds; round += 1) {
    await setTimeout(quietMs);
    const before = process.cpuUsage();
    const reached = await fleet.reach(() => change(round + 10));
    await setTimeout(quietMs);
    const used = process.cpuUsage(before);
    if (round < 0) continue;
    cpuUs.push((used.user + used.system) / clients);
    lastMs.push(reached.lastMs);
  }
  return { cpuUs, lastMs };
}

function figures(name: string, result: Result, maxCpuUs: number): readonly Figure[] {
  return [
    {
      name: `${name}: agent CPU per stream`,
      unit: "us",
      samples: result.cpuUs,
      target: { atMost: maxCpuUs },
    },
    {
      name: `${name}: last client reached`,
      unit: "ms",
      samples: result.lastMs,
      target: { atMost: 500 },
    },
  ];
}

const plain = await measure({ isTls: false });
const tls = await measure({ isTls: true });
report({
  claim: "One small EDS change to 2,000 connected sidecars",
  setup: { clients, endpoints, rounds, clientsShareTheMachine: true },
  figures: [...figures("plaintext", plain, 60), ...figures("mTLS", tls, 100)],
});
