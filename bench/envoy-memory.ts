/** What each connected real Envoy with 1,000 Envoy clusters costs its agent in memory, its launcher's reports included. */
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { RunningEngine } from "../src/app/launcher/engine-launcher.ts";
import { makeWorkload } from "../src/app/trust-tasks.ts";
import { freePorts } from "../test/app/support/free-port.ts";
import type { AgentProcess } from "./load/agent-process.ts";
import { self, trustDir } from "./load/mesh-files.ts";
import { loadAverage, MeshStage } from "./load/mesh-stage.ts";
import { envoyBinary } from "./load/peers.ts";
import { clustersOf, startEnvoySidecar } from "./load/real-sidecar.ts";
import { median, report } from "./report.ts";

const services = Number(process.env["SERVICES"] ?? 1000);
const envoys = Number(process.env["ENVOYS"] ?? 24);
const rounds = Number(process.env["ROUNDS"] ?? 3);
// The first ones pay for what all share: responses, the code that makes them, and a heap that grows in steps.
const first = 16;
const host = "127.0.0.1";
// Garbage that the collector takes back without being asked does not count.
const quietMs = 20_000;

process.env["ISTHMUS_ENVOY"] = envoyBinary();
const samples: number[] = [];
const cpuMs: number[] = [];
let envoyClusters = 0;
for (let round = 0; round < rounds; round += 1) await measure();
report({
  claim: "Agent memory per connected real Envoy with 1,000 Envoy clusters",
  setup: { services, envoyClusters, envoys, first, rounds, hubs: 1, loadAverage: loadAverage() },
  figures: [
    { name: "RSS per further Envoy", unit: "MB", samples, target: { atMost: 0.5 } },
    { name: "agent CPU per Envoy, quiet time included", unit: "ms", samples: cpuMs },
  ],
});

async function measure(): Promise<void> {
  await using stage = await MeshStage.open({
    remotes: 0,
    localServices: services,
    workloadsPerService: 4,
    exported: 0,
    remote: { services: 0, workloads: 0, gateways: 0, names: "shared" },
    hubs: 1,
  });
  await using agent = await stage.agent({ name: "measured" });
  await agent.warm();
  await using opened = new AsyncDisposableStack();
  for (let index = 0; index < first; index += 1) {
    envoyClusters = await clustersOf(await connect(index, { stage, agent, opened }));
  }
  await wait(quietMs);
  const before = { rssMB: await rssOf(agent), cpuMs: agent.cpuMs() };
  for (let made = 0; made < envoys; made += 1) {
    await connect(first + made, { stage, agent, opened });
  }
  await wait(quietMs);
  samples.push(((await rssOf(agent)) - before.rssMB) / envoys);
  cpuMs.push((agent.cpuMs() - before.cpuMs) / envoys);
}

async function connect(
  index: number,
  to: {
    readonly stage: MeshStage;
    readonly agent: AgentProcess;
    readonly opened: AsyncDisposableStack;
  },
): Promise<RunningEngine> {
  const { stage, agent, opened } = to;
  const dir = join(stage.dir, `e${index}`);
  await makeWorkload({ account: "shop/frontend", dir: trustDir(stage.dir, self), out: dir });
  const [endpointPort = 0, listenPort = 0] = await freePorts(2);
  const endpoint = { host, port: endpointPort };
  return startEnvoySidecar({
    opened,
    dir,
    agent: { host, port: agent.xdsPort },
    workload: `frontend-${index}`,
    serviceAccount: "frontend",
    // In several, the first ones would have all endpoints told anew, which is no matter of how many there are.
    zone: "a",
    upstreams: [],
    inbound: [{ endpoint, listen: { host, port: listenPort }, app: endpoint }],
  });
}

async function rssOf(agent: AgentProcess): Promise<number> {
  const all: number[] = [];
  for (let sample = 0; sample < 10; sample += 1) {
    all.push(agent.rssMB());
    await wait(200);
  }
  return median(all);
}
