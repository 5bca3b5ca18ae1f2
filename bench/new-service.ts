/** A service exported in one member until the first request from another succeeds: agents, gateways, sidecars, Redis. */
import { mkdtemp, rm } from "node:fs/promises";
import { Agent as HttpAgent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { SidecarConfig } from "../src/app/config/config.ts";
import { startSidecar } from "../src/app/launcher/engine-launcher.ts";
import { parseNamespace, parseServiceId } from "../src/mesh/ids.ts";
import type { Log } from "../src/mesh/ports.ts";
import { freePorts } from "../test/app/support/free-port.ts";
import { startApp } from "../test/app/support/shop.ts";
import { startRedis } from "../test/faults/support/redis-server.ts";
import { forkHere } from "../test/support/told-process.ts";
import { type Agent, hubAt, issueMembers, startMemberAgent } from "./load/two-members.ts";
import { quantile, report } from "./report.ts";

const services = Number(process.env["SERVICES"] ?? 1000);
const rounds = Number(process.env["ROUNDS"] ?? 100);
const warmUpRounds = 20;
const restMs = 50;
const host = "127.0.0.1";
const log: Log = { debug() {}, info() {}, warn() {}, error() {} };

const dir = await mkdtemp(join(tmpdir(), "isthmus-bench-"));
try {
  await measure();
} finally {
  await rm(dir, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  await using opened = new AsyncDisposableStack();
  await issueMembers(dir, ["cart", "frontend"]);
  const redis = opened.use(await startRedis());
  const [port = 0, sidecarPort = 0, ...listens] = await freePorts(2 + warmUpRounds + rounds);
  const app = await startApp("cart", port);
  opened.defer(app.kill);
  const common = {
    dir,
    host,
    run: forkHere,
    hubs: [hubAt(`redis://${host}:${redis.port}`)],
    opened,
  };
  const [east, west] = await Promise.all([
    startMemberAgent({ ...common, member: "east", services, real: { port, sidecarPort } }),
    startMemberAgent({ ...common, member: "west", services: 0 }),
  ]);
  await startOne(opened, {
    member: "east",
    agentPort: east.xdsPort,
    account: "cart",
    inbound: [
      { endpoint: { host, port }, listen: { host, port: sidecarPort }, app: { host, port } },
    ],
    upstreams: [],
  });
  await startOne(opened, {
    member: "west",
    agentPort: west.xdsPort,
    account: "frontend",
    inbound: [],
    upstreams: listens.map((listen, index) => ({
      service: parseServiceId(`shop/new-${index}`),
      port: 80,
      listen: { host, port: listen },
    })),
  });
  const tookMs: number[] = [];
  for (const [index, listen] of listens.entries()) {
    await wait(restMs);
    const ms = await exportAndCall(east.agent, { name: `new-${index}`, listen });
    if (index >= warmUpRounds) tookMs.push(ms);
  }
  report({
    claim: "a new exported service answers the first request of another member within 60 ms",
    setup: { services, rounds, hubs: 1, engine: "embedded", mTls: true },
    figures: [
      { name: "from the export to the first answer", unit: "ms", samples: tookMs },
      {
        name: "the same, p99",
        unit: "ms",
        samples: [quantile(tookMs, 0.99)],
        target: { atMost: 60 },
      },
    ],
  });
}

async function startOne(
  opened: AsyncDisposableStack,
  of: Pick<SidecarConfig, "inbound" | "upstreams"> & {
    readonly member: string;
    readonly agentPort: number;
    readonly account: string;
  },
): Promise<void> {
  const sidecar = await startSidecar(
    {
      agent: { host, port: of.agentPort },
      identity: { dir: join(dir, of.member, of.account) },
      engine: "embedded",
      workers: 1,
      admin: { host, port: 0 },
      logLevel: "silent",
      workload: `${of.account}-1`,
      namespace: parseNamespace("shop"),
      serviceAccount: of.account,
      zone: "a",
      capture: "ports",
      inbound: of.inbound,
      upstreams: of.upstreams,
    },
    { log },
  );
  opened.use(sidecar);
  await sidecar.whenReady;
}

/** Asks on new connections, one after the other, until the first answer. */
async function exportAndCall(
  agent: Agent,
  { name, listen }: { readonly name: string; readonly listen: number },
): Promise<number> {
  const said = agent.hear("said");
  agent.tell({ t: "export", name });
  for (;;) {
    const isAnswered = await ask(listen);
    const nowNs = process.hrtime.bigint();
    if (isAnswered) return Number(nowNs - BigInt((await said).atNs)) / 1e6;
    await wait(1);
  }
}

function ask(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request({ host, port, agent: new HttpAgent() }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode === 200));
      answer.on("error", () => resolve(false));
    });
    call.on("error", () => resolve(false));
    call.end();
  });
}
