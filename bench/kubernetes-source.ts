/**
 * An agent whose source is a real API server: start, memory, CPU per EndpointSlice event, and whether any event is lost.
 *
 *   node bench/kubernetes-source.ts [--minutes 30] [--pods]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type KubeCluster, startCluster } from "../test/kube/cluster.ts";
import { AgentProcess, bundleInto } from "./load/agent-process.ts";
import {
  byText,
  churn,
  endpointsInApi,
  type Population,
  populate,
} from "./load/kube-population.ts";
import { makeMesh } from "./load/mesh-files.ts";
import { loadAverage } from "./load/mesh-stage.ts";
import { report } from "./report.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "0.5" },
    pods: { type: "boolean", default: false },
  },
});
const plan: Population = {
  services: Number(process.env["SERVICES"] ?? 5000),
  endpointsPerSlice: 4,
  hasPods: values.pods,
};
const starts = Number(process.env["ROUNDS"] ?? 3);
const perSecond = 50;
const churnMs = Number(values.minutes) * 60_000;
const settleMs = 5000;

interface Started {
  readonly readyMs: number;
  readonly rssMB: number;
  readonly cpuMs: number;
}

const dir = await mkdtemp(join(tmpdir(), "isthmus-bench-"));
try {
  bundleInto(dir);
  await makeMesh({ dir, remotes: 0, localServices: 0, workloadsPerService: 0, exported: 0 });
  await using cluster = await startCluster({ name: "bench", controllers: false });
  await cluster.createNamespace("shop");
  process.stderr.write(`filling the cluster with ${plan.services} services\n`);
  await populate(cluster.api, plan);
  await measure(cluster);
} finally {
  await rm(dir, { recursive: true, force: true });
}

async function measure(cluster: KubeCluster): Promise<void> {
  const started: Started[] = [];
  // The first one pays for the compile cache, as the first start after an installation does.
  for (let round = 0; round < starts; round += 1) {
    await using agent = await startAgent(cluster, `start-${round}`);
    started.push(await readiness(agent));
  }
  await using agent = await startAgent(cluster, "churn");
  started.push(await readiness(agent));
  await wait(settleMs);
  const turns: number[] = [];
  const before = agent.cpuMs();
  const events = await churn(cluster.api, { plan, perSecond, forMs: churnMs, turns });
  await wait(1000);
  const cpuMs = agent.cpuMs() - before;
  const lost = await differences(cluster, agent);
  const warm = started.slice(1);
  report({
    claim:
      "5,000 Services, 5,000 EndpointSlices and 20,000 endpoints: ready within 3 s, at most 300 MB, at most 0.5 ms of CPU per event, none lost",
    setup: {
      services: plan.services,
      endpoints: plan.services * plan.endpointsPerSlice,
      pods: plan.hasPods,
      perSecond,
      minutes: Number(values.minutes),
      events,
      loadAverage: loadAverage(),
    },
    figures: [
      {
        name: "from process start to ready",
        unit: "ms",
        samples: warm.map(({ readyMs }) => readyMs),
        target: { atMost: 3000 },
      },
      {
        name: "CPU time of the agent until then",
        unit: "ms",
        samples: warm.map(({ cpuMs: ms }) => ms),
      },
      { name: "RSS when ready", unit: "MB", samples: started.map(({ rssMB }) => rssMB) },
      {
        name: "RSS after the churn",
        unit: "MB",
        samples: [agent.rssMB()],
        target: { atMost: 300 },
      },
      {
        name: "agent CPU per event, with all that an idle agent does meanwhile",
        unit: "ms",
        samples: [cpuMs / events],
        target: { atMost: 0.5 },
      },
      {
        name: "services that differ at the end",
        unit: "services",
        samples: [lost],
        target: { atMost: 0 },
      },
    ],
  });
}

function startAgent(cluster: KubeCluster, name: string): Promise<AgentProcess> {
  const sources = `[{ kubernetes: { kubeconfig: "${cluster.kubeconfig()}" } }]`;
  return AgentProcess.start({ dir, name, catalog: "memory: true", sources });
}

async function readiness(agent: AgentProcess): Promise<Started> {
  const readyMs = await agent.warm();
  const cpuMs = agent.cpuMs();
  const { services } = (await agent.json("/api/v1/services")) as { services: unknown[] };
  if (services.length < plan.services) throw new Error(`ready with ${services.length} services`);
  return { readyMs, cpuMs, rssMB: agent.rssMB() };
}

interface EndpointsAnswer {
  readonly ports: readonly { readonly endpoints: readonly { readonly address: string }[] }[];
}

/** Services whose endpoints are others than the API server's. */
async function differences(cluster: KubeCluster, agent: AgentProcess): Promise<number> {
  const expected = await endpointsInApi(cluster.api);
  let count = 0;
  for (const [name, addresses] of expected) {
    const answer = (await agent.json(`/api/v1/endpoints?service=shop/${name}`)) as EndpointsAnswer;
    const found = (answer.ports[0]?.endpoints ?? []).map(
      ({ address }) => address.split(":")[0] ?? "",
    );
    if (found.toSorted(byText).join(" ") !== addresses) count += 1;
  }
  return count;
}
