/** Claim: an agent that starts with 1,000 services from files has its first proxy configured within 1.5 s. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { ProxyAnswer } from "../src/app/api-model.ts";
import { startSidecar } from "../src/app/launcher/engine-launcher.ts";
import { makeMember, makeRoot, makeWorkload } from "../src/app/trust-tasks.ts";
import { parseNamespace, parseServiceId } from "../src/mesh/ids.ts";
import type { Log } from "../src/mesh/ports.ts";
import { freePorts } from "../test/app/support/free-port.ts";
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
  await makeRoot({ mesh: "acme.mesh", dir: join(dir, "root") });
  await makeMember({
    name: "east",
    dir: join(dir, "root"),
    out: join(dir, "trust"),
    cloud: "aws",
    region: "us-east-1",
    network: undefined,
    gatewayRanges: [],
    mayExport: ["shop"],
    renew: false,
  });
  await makeWorkload({ account: "shop/frontend", dir: join(dir, "trust"), out: join(dir, "svid") });
  await mkdir(join(dir, "services"));
  for (let index = 0; index < services; index += 1) {
    await writeFile(join(dir, "services", `s${index}.yaml`), manifest(index));
  }
}

function manifest(index: number): string {
  const hosts = Array.from({ length: endpointsPerService }, (_, host) => {
    const address = `10.${host}.${index >> 8}.${index & 255}`;
    return `  - { addresses: ["${address}"], zone: z${host}, conditions: { ready: true } }\n`;
  });
  return `apiVersion: v1
kind: Service
metadata: { name: s${index}, namespace: shop }
spec: { ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: s${index}-1
  namespace: shop
  labels: { kubernetes.io/service-name: s${index} }
  annotations: { isthmus.dev/service-account: s${index} }
addressType: IPv4
ports: [{ name: http, port: 8080 }]
endpoints:
${hosts.join("")}---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: { name: s${index}, namespace: shop, creationTimestamp: "2026-01-01T00:00:00Z" }
`;
}

async function measure(round: number): Promise<Round> {
  const [xds = 0, http = 0, listen = 0] = await freePorts(3);
  const file = join(dir, `agent-${round}.yaml`);
  await writeFile(
    file,
    `mesh: acme.mesh
member: { name: east, cloud: aws, region: us-east-1 }
trust: { dir: ./trust }
catalog: { memory: true, snapshotDir: ./state-${round} }
sources: [{ files: ./services }]
xds: { listen: "127.0.0.1:${xds}" }
http: { listen: "127.0.0.1:${http}" }
logLevel: error
`,
  );
  const startMs = performance.now();
  const agent = spawn(process.execPath, ["bin/isthmus.mjs", "agent", "--config", file], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  try {
    await untilListening(xds);
    await using sidecar = await startSidecar(
      {
        agent: { host: "127.0.0.1", port: xds },
        identity: { dir: join(dir, "svid") },
        engine: "embedded",
        workers: 1,
        admin: { host: "127.0.0.1", port: 0 },
        logLevel: "silent",
        workload: "frontend-1",
        namespace: parseNamespace("shop"),
        serviceAccount: "frontend",
        zone: "z0",
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
    const readyMs = performance.now() - startMs;
    await untilWhole(http);
    return { readyMs, wholeMs: performance.now() - startMs, cpuMs: cpuMsOf(agent.pid ?? 0) };
  } finally {
    await end(agent);
  }
}

/** User and system time. Source: proc(5), stat; a tick is 10 ms on Linux. */
function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** The engine's own pauses between tries would be measured otherwise. */
async function untilListening(port: number): Promise<void> {
  const { connect } = await import("node:net");
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

async function untilWhole(port: number): Promise<void> {
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/proxies`);
    const { proxies } = (await response.json()) as { proxies: ProxyAnswer[] };
    const types = proxies[0]?.types ?? [];
    const isAcked = (type: string): boolean =>
      types.some((one) => one.type === type && one.held >= 2 * services && one.unanswered === 0);
    if (isAcked("cluster") && isAcked("endpoint")) return;
    await wait(10);
  }
}

async function end(agent: ChildProcess): Promise<void> {
  const ended = once(agent, "close");
  agent.kill("SIGTERM");
  await ended;
}
