/** 500 VMs register at one agent at once, each with its sidecar's stream; until all of them are endpoints, and RSS. */
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { makeWorkload } from "../src/app/trust-tasks.ts";
import { encodeRegisterRequest } from "../src/xds/registering/requests.ts";
import { AgentProcess, bundleInto } from "./load/agent-process.ts";
import { makeMesh, self, trustDir } from "./load/mesh-files.ts";
import { loadAverage } from "./load/mesh-stage.ts";
import { healthyVms, startVm, type Vm, vmGroup } from "./load/vm-streams.ts";
import { report } from "./report.ts";

const vms = Number(process.env["VMS"] ?? 500);
const rounds = Number(process.env["ROUNDS"] ?? 5);
const changes = 10;
// No more than one workload may say.
const changeEveryMs = 1000;
// Garbage that the collector takes back without being asked does not count.
const quietMs = 20_000;

interface Samples {
  readonly allMs: number[];
  readonly rssMB: number[];
  readonly changeCpuMs: number[];
}

const samples: Samples = { allMs: [], rssMB: [], changeCpuMs: [] };
const dir = await mkdtemp(join(tmpdir(), "isthmus-bench-"));
try {
  bundleInto(dir);
  await makeMesh({ dir, remotes: 0, localServices: 20, workloadsPerService: 2, exported: 10 });
  await writeFile(join(dir, "services", "group.yaml"), vmGroup);
  const fleet: Vm[] = [];
  for (let at = 0; at < vms; at += 1) fleet.push(await makeVm(at));
  for (let round = 0; round < rounds; round += 1) await measure(fleet, round);
} finally {
  await rm(dir, { recursive: true, force: true });
}
report({
  claim: `${vms} VMs register at one agent at once`,
  setup: { vms, rounds, loadAverage: loadAverage() },
  figures: [
    {
      name: "until all are endpoints with proven sidecars",
      unit: "ms",
      samples: samples.allMs,
      target: { atMost: 15_000 },
    },
    { name: "agent RSS", unit: "MB", samples: samples.rssMB, target: { atMost: 300 } },
    {
      name: "CPU of the agent for one change of one VM's health, told to all of them",
      unit: "ms",
      samples: samples.changeCpuMs,
    },
  ],
});

async function measure(fleet: readonly Vm[], round: number): Promise<void> {
  await using agent = await AgentProcess.start({
    dir,
    name: `round-${round}`,
    catalog: "memory: true",
    sources: `[{ files: "${join(dir, "services")}" }, { registration: {} }]`,
  });
  await agent.warm();
  const startMs = performance.now();
  const streams = await Promise.all(fleet.map((vm) => startVm(vm, agent.xdsPort)));
  await healthyVms(agent, vms);
  samples.allMs.push(performance.now() - startMs);
  await wait(quietMs);
  samples.rssMB.push(agent.rssMB());
  const idleMs = await cpuOf(agent, () => wait(changes * changeEveryMs));
  const changingMs = await cpuOf(agent, async () => {
    for (let at = 0; at < changes; at += 1) {
      const health = at % 2 === 0 ? "unhealthy" : "healthy";
      const change = { health, reason: "" } as const;
      streams[0]?.register.send(encodeRegisterRequest({ t: "health", change }));
      await wait(changeEveryMs);
    }
  });
  samples.changeCpuMs.push((changingMs - idleMs) / changes);
  for (const { ads, register } of streams) {
    ads.close();
    register.close();
  }
}

async function cpuOf(agent: AgentProcess, during: () => Promise<void>): Promise<number> {
  const before = agent.cpuMs();
  await during();
  return agent.cpuMs() - before;
}

async function makeVm(at: number): Promise<Vm> {
  const name = `vm-${at}`;
  const out = join(dir, "svids", name);
  await makeWorkload({ account: "shop/cart", dir: trustDir(dir, self), out });
  const text = (file: string): Promise<string> => readFile(join(out, file), "utf8");
  const [cert, key, ca] = await Promise.all([
    text("svid.pem"),
    text("svid.key"),
    text("bundle.pem"),
  ]);
  const address = `127.1.${at >> 8}.${at & 255}`;
  return { name, address, secret: randomBytes(32), tls: { cert, key, ca } };
}
