/**
 * What 1,000 services cost an Envoy sidecar: as Envoy clusters alone, with a local port for each (`capture: ports`),
 * and with a listener for each cluster IP (`capture: transparent`).
 */
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { defaultCapture } from "../src/app/capture/defaults.ts";
import type { SidecarConfig } from "../src/app/config/config.ts";
import type { RunningEngine } from "../src/app/launcher/engine-launcher.ts";
import { parseServiceId } from "../src/mesh/ids.ts";
import { freePorts } from "../test/app/support/free-port.ts";
import { TestMesh } from "../test/app/support/test-mesh.ts";
import { loadAverage } from "./load/mesh-stage.ts";
import { envoyBinary } from "./load/peers.ts";
import { median, report } from "./report.ts";

const services = Number(process.env["SERVICES"] ?? 1000);
const rounds = Number(process.env["ROUNDS"] ?? 3);
// Envoy gives back what it needed to read its configuration, and agents stop to write.
const quietMs = 5_000;
const firstLocalPort = 21_000;
// The kernel's clock ticks a hundred times a second for everybody who asks.
const tickMs = 10;

const modes = ["clusters alone", "ports", "transparent"] as const;
type Mode = (typeof modes)[number];
const protocols = ["http", "tcp"] as const;
type Protocol = (typeof protocols)[number];

interface Cost {
  /** Memory of this process alone. */
  readonly privateMB: number;
  readonly startCpuMs: number;
}

process.env["ISTHMUS_ENVOY"] = envoyBinary();
const figures = [];
for (const protocol of protocols) {
  for (const mode of modes) {
    const costs: Cost[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const cost = await measure(protocol, mode);
      process.stderr.write(`${protocol}, ${mode}: ${JSON.stringify(cost)}\n`);
      costs.push(cost);
    }
    const name = `${protocol}, ${mode}`;
    const of = (what: keyof Cost): number[] => costs.map((cost) => cost[what]);
    figures.push(
      { name: `${name}: private memory of Envoy`, unit: "MB", samples: of("privateMB") },
      { name: `${name}: CPU until ready`, unit: "ms", samples: of("startCpuMs") },
    );
  }
}
report({
  claim: "What 1,000 services cost an Envoy sidecar by the way of capture",
  setup: { services, rounds, loadAverage: loadAverage() },
  figures,
});

async function measure(protocol: Protocol, mode: Mode): Promise<Cost> {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  const folder = mesh.servicesDir("east");
  await mkdir(folder, { recursive: true });
  for (let index = 0; index < services; index += 1) await write(folder, { index, protocol });
  const [gateway = 0] = await freePorts(1);
  const agent = await mesh.startAgent(mesh.agentConfig("east", "us-east-1", gateway));
  const sidecar = await mesh.startSidecar("east", {
    agent: agent.xds,
    engine: "envoy",
    workload: "frontend-1",
    serviceAccount: "frontend",
    ...(await howIn(mode)),
  });
  await sidecar.whenReady;
  const pid = pidOf(sidecar);
  await wait(quietMs);
  const startCpuMs = cpuMs(pid);
  const samples: number[] = [];
  for (let sample = 0; sample < 5; sample += 1) {
    samples.push(privateMB(pid));
    await wait(200);
  }
  return { privateMB: median(samples), startCpuMs };
}

async function howIn(mode: Mode): Promise<Partial<Pick<SidecarConfig, "capture" | "upstreams">>> {
  if (mode === "clusters alone") return {};
  if (mode === "ports") {
    const upstreams = Array.from({ length: services }, (_, index) => ({
      service: parseServiceId(`shop/s${index}`),
      port: 80,
      // An address that no other process listens on.
      listen: { host: "127.77.0.1", port: firstLocalPort + index },
    }));
    return { upstreams };
  }
  const [outboundPort = 0, inboundPort = 0] = await freePorts(2);
  return { capture: { ...defaultCapture, addresses: ["10.1.0.9"], outboundPort, inboundPort } };
}

function pidOf(sidecar: RunningEngine): number {
  const pid = sidecar.enginePid();
  if (pid === undefined) throw new Error("There is no Envoy");
  return pid;
}

async function write(
  folder: string,
  of: { readonly index: number; readonly protocol: Protocol },
): Promise<void> {
  const { index, protocol } = of;
  const place = `${Math.floor(index / 250)}.${(index % 250) + 1}`;
  const text = `apiVersion: v1
kind: Service
metadata: { name: s${index}, namespace: shop }
spec:
  clusterIP: "10.96.${place}"
  ports: [{ name: ${protocol}, port: 80, targetPort: 8080 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: s${index}
  namespace: shop
  labels: { kubernetes.io/service-name: s${index} }
  annotations: { isthmus.dev/service-account: s${index} }
addressType: IPv4
ports: [{ name: ${protocol}, port: 8080 }]
endpoints:
  - { addresses: ["10.2.${place}"], conditions: { ready: true }, zone: a }
  - { addresses: ["10.3.${place}"], conditions: { ready: true }, zone: a }
`;
  await writeFile(join(folder, `s${index}.yaml`), text);
}

function privateMB(pid: number): number {
  const lines = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8").split("\n");
  const own = lines.filter((line) => line.startsWith("Private_"));
  return own.reduce((sum, line) => sum + Number(/(\d+) kB/.exec(line)?.[1] ?? 0), 0) / 1_000;
}

function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}
