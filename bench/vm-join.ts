/** A VM joins by one command, as a process; 500 join at once: token, certificate, first configuration, registration. */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { joinVm } from "../src/app/join/show-token.ts";
import { Secret } from "../src/mesh/secret.ts";
import { createCsr } from "../src/trust/csr.ts";
import { identityOf } from "../src/trust/identity.ts";
import { newPrivateKey } from "../src/trust/io/new-key.ts";
import { AgentProcess, bundleInto } from "./load/agent-process.ts";
import { makeMesh } from "./load/mesh-files.ts";
import { loadAverage } from "./load/mesh-stage.ts";
import { healthyVms, startVm, type VmStreams, vmGroup } from "./load/vm-streams.ts";
import { report } from "./report.ts";

const joins = Number(process.env["JOINS"] ?? 25);
const vms = Number(process.env["VMS"] ?? 500);
const rounds = Number(process.env["ROUNDS"] ?? 5);

// Garbage that the collector takes back without being asked does not count.
const quietMs = 20_000;

const dir = await mkdtemp(join(tmpdir(), "isthmus-bench-"));
const door = join(dir, "door.mjs");
const samples = {
  joinMs: [] as number[],
  allMs: [] as number[],
  peakMB: [] as number[],
  afterMB: [] as number[],
};
try {
  bundleInto(dir);
  await makeMesh({ dir, remotes: 0, localServices: 20, workloadsPerService: 2, exported: 10 });
  await writeFile(join(dir, "services", "group.yaml"), vmGroup);
  await measureOne();
  for (let round = 0; round < rounds; round += 1) await measureAll(round);
} finally {
  await rm(dir, { recursive: true, force: true });
}
report({
  claim: "a VM joins, from its command to its first acknowledged configuration; 500 join at once",
  setup: { joins, vms, rounds, loadAverage: loadAverage() },
  figures: [
    {
      name: "isthmus vm join, from its start to the first acknowledged configuration",
      unit: "ms",
      samples: samples.joinMs,
      target: { atMost: 1000 },
    },
    {
      name: `${vms} VMs at once, from the first token shown until all are endpoints with proven sidecars`,
      unit: "ms",
      samples: samples.allMs,
      target: { atMost: 15_000 },
    },
    { name: "agent RSS meanwhile, its peak", unit: "MB", samples: samples.peakMB },
    {
      name: "agent RSS 20 s later, with all of them connected",
      unit: "MB",
      samples: samples.afterMB,
      target: { atMost: 300 },
    },
  ],
});

async function startAgent(name: string): Promise<AgentProcess> {
  const sources = `[{ files: "${join(dir, "services")}" }, { registration: {} }]`;
  const agent = await AgentProcess.start({ dir, name, catalog: "memory: true", sources });
  await agent.warm();
  return agent;
}

function makeToken(agent: string, uses: number): string {
  const config = join(dir, `agent-${agent}.yaml`);
  const words = ["token", "create", "-c", config, "--vm", "--group", "shop/carts"];
  const made = spawnSync(process.execPath, [door, ...words, "--uses", String(uses)]);
  if (made.status !== 0) throw new Error(String(made.stderr));
  return String(made.stdout).trim();
}

async function measureOne(): Promise<void> {
  await using agent = await startAgent("one");
  const tokenFile = join(dir, "token");
  await writeFile(tokenFile, makeToken("one", joins + 1));
  for (let at = 0; at <= joins; at += 1) {
    const tookMs = await joinByCommand(agent, { at, tokenFile });
    // The first one fills the compile cache, as the first start after an installation does.
    if (at > 0) samples.joinMs.push(tookMs);
  }
}

async function joinByCommand(
  agent: AgentProcess,
  { at, tokenFile }: { readonly at: number; readonly tokenFile: string },
): Promise<number> {
  const words = ["vm", "join", "--agent", `127.0.0.1:${agent.xdsPort}`, "--token-file", tokenFile];
  const own = [
    "--dir",
    join(dir, `vm-${at}`),
    "--name",
    `vm-${at}`,
    "--address",
    `127.2.0.${at + 1}`,
  ];
  const ports = [
    "--admin",
    "127.0.0.1:0",
    "--dns",
    "127.0.0.1:0",
    "--upstream",
    "shop/service-0:80",
  ];
  const startMs = performance.now();
  const child = spawn(process.execPath, [door, ...words, ...own, ...ports], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = once(child, "close");
  let said = "";
  for await (const chunk of child.stdout) {
    said += String(chunk);
    if (said.includes("First configuration acknowledged")) break;
  }
  const tookMs = performance.now() - startMs;
  if (!said.includes("First configuration")) throw new Error(`it ended: ${said}`);
  child.kill("SIGTERM");
  await ended;
  return tookMs;
}

async function measureAll(round: number): Promise<void> {
  await using agent = await startAgent(`all-${round}`);
  const token = new Secret(makeToken(`all-${round}`, vms));
  const peak = { mb: 0 };
  const look = setInterval(() => {
    peak.mb = Math.max(peak.mb, agent.rssMB());
  }, 100);
  using _looking = { [Symbol.dispose]: () => clearInterval(look) };
  const startMs = performance.now();
  const streams = await Promise.all(
    Array.from({ length: vms }, (_, at) => joinOne(agent, { at, token })),
  );
  await healthyVms(agent, vms);
  samples.allMs.push(performance.now() - startMs);
  samples.peakMB.push(peak.mb);
  await wait(quietMs);
  samples.afterMB.push(agent.rssMB());
  for (const { ads, register } of streams) {
    ads.close();
    register.close();
  }
}

/** What `isthmus vm join` does, but for the sidecar itself. */
async function joinOne(
  { xdsPort }: AgentProcess,
  { at, token }: { readonly at: number; readonly token: Secret },
): Promise<VmStreams> {
  const key = newPrivateKey();
  const agents = [{ host: "127.0.0.1", port: xdsPort }];
  const csr = createCsr(key);
  // As the unit does: it is started again, with the same key.
  const join = (): ReturnType<typeof joinVm> => joinVm({ agents, token, csr }).catch(join);
  const { svid } = await join();
  const { certChainPem, privateKeyPem, bundlePem } = identityOf(key, svid);
  const tls = { cert: certChainPem, key: privateKeyPem.reveal(), ca: bundlePem };
  const address = `127.1.${at >> 8}.${at & 255}`;
  return await startVm({ name: `vm-${at}`, address, secret: randomBytes(32), tls }, xdsPort);
}
