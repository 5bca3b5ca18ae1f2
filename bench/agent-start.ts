/** Claim: an agent that starts with 1,000 services from files has its first proxy configured within 1.5 s. */
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { ProxyAnswer } from "../src/app/api-model.ts";
import { startSidecar } from "../src/app/launcher/engine-launcher.ts";
import { makeWorkload } from "../src/app/trust-tasks.ts";
import { parseNamespace, parseServiceId } from "../src/mesh/ids.ts";
import type { Log } from "../src/mesh/ports.ts";
import { freePorts } from "../test/app/support/free-port.ts";
import { AgentProcess, bundleInto } from "./load/agent-process.ts";
import { makeMesh, self, trustDir } from "./load/mesh-files.ts";
import { report } from "./report.ts";

const services = 1000;
const endpointsPerService = 3;
const rounds = Number(process.env["ROUNDS"] ?? 5);
const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

interface Round {
  /** First listener of the proxy listens. */
  readonly readyMs: number;
  /** Every cluster and its endpoints are acknowledged. */
  readonly wholeMs: number;
  /** Of the agent's process until then: says whether the machine was busy with other things. */
  readonly cpuMs: number;
}

const dir = await mkdtemp(join(tmpdir(), "isthmus-bench-"));
try {
  await prepare();
  const measured: Round[] = [];
  // The first one pays for the compile cache, as the first start after an installation does.
  for (let round = 0; round <= rounds; round += 1) {
    const result = await measure(round);
    if (round > 0) measured.push(result);
  }
  report({
    claim: "agent start with 1,000 services from files to first acknowledged config ≤ 1.5 s",
    setup: { services, endpoints: services * endpointsPerService, files: services, tls: true },
    figures: [
      {
        name: "from process start to the proxy's first listener",
        unit: "ms",
        samples: measured.map(({ readyMs }) => readyMs),
        target: { atMost: 1500 },
      },
      {
        name: "from process start to all clusters and endpoints acknowledged",
        unit: "ms",
        samples: measured.map(({ wholeMs }) => wholeMs),
        target: { atMost: 1500 },
      },
      {
        name: "CPU time of the agent until then",
        unit: "ms",
        samples: measured.map(({ cpuMs }) => cpuMs),
      },
    ],
  });
} finally {
  await rm(dir, { recursive: true, force: true });
}

async function prepare(): Promise<void> {
  bundleInto(dir);
  await makeMesh({
    dir,
    remotes: 0,
    localServices: services,
    workloadsPerService: endpointsPerService,
    exported: services,
  });
  const out = join(dir, "svid");
  await makeWorkload({ account: "shop/frontend", dir: trustDir(dir, self), out });
}

async function measure(round: number): Promise<Round> {
  await using agent = await AgentProcess.start({
    dir,
    name: String(round),
    catalog: "memory: true",
  });
  const [listen = 0] = await freePorts(1);
  await untilListening(agent.xdsPort);
  await using sidecar = await startSidecar(
    {
      agent: { host: "127.0.0.1", port: agent.xdsPort },
      identity: { dir: join(dir, "svid") },
      engine: "embedded",
      workers: 1,
      admin: { host: "127.0.0.1", port: 0 },
      logLevel: "silent",
      workload: "frontend-1",
      namespace: parseNamespace("shop"),
      serviceAccount: "frontend",
      zone: "a",
      capture: "ports",
      upstreams: [
        {
          service: parseServiceId("shop/s1"),
          port: 80,
          listen: { host: "127.0.0.1", port: listen },
        },
      ],
      inbound: [],
    },
    { log: quiet },
  );
  await sidecar.whenReady;
  const readyMs = performance.now() - agent.startedAtMs;
  await untilWhole(agent);
  return { readyMs, wholeMs: performance.now() - agent.startedAtMs, cpuMs: agent.cpuMs() };
}

/** The engine's own pauses between tries would be measured otherwise. */
async function untilListening(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await wait(5);
  }
}

async function untilWhole(agent: AgentProcess): Promise<void> {
  for (;;) {
    const { proxies } = (await agent.json("/api/v1/proxies")) as { proxies: ProxyAnswer[] };
    const types = proxies[0]?.types ?? [];
    const isAcked = (type: string): boolean =>
      types.some((one) => one.type === type && one.held >= 2 * services && one.unanswered === 0);
    if (isAcked("cluster") && isAcked("endpoint")) return;
    await wait(10);
  }
}
