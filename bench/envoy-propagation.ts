/** A change in one member until a real Envoy of another acts on it: real agents, gateways, Redis, and requests. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, Agent as HttpAgent, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseServiceId } from "../src/mesh/ids.ts";
import { freePorts } from "../test/app/support/free-port.ts";
import { startRedis } from "../test/faults/support/redis-server.ts";
import { forkHere } from "../test/support/told-process.ts";
import { envoyBinary } from "./load/peers.ts";
import { clustersOf, startEnvoySidecar } from "./load/real-sidecar.ts";
import {
  type Agent,
  hubAt,
  issueMembers,
  type Member,
  type StartedAgent,
  startMemberAgent,
} from "./load/two-members.ts";
import { type Figure, quantile, report } from "./report.ts";

const services = Number(process.env["SERVICES"] ?? 1000);
const rounds = Number(process.env["ROUNDS"] ?? 200);
const warmUpRounds = Number(process.env["WARM_UP_ROUNDS"] ?? 100);
/** Other changes in the same member per second. */
const loads = [0, 50];
const host = "127.0.0.1";
// Longer than one change takes, and no divisor of the others' rhythm.
const restMs = 43;
// Each asks which member serves now: what is measured comes out so much too late, and by the way of a request.
const askEveryMs = 1;

/** The one whose workload fails and comes back, and the one further away that serves meanwhile. */
type Server = "near" | "east";

/** Told when a request arrives at an application of that member, by the monotonic clock of this machine. */
const arrivals = new Map<Server, (atNs: bigint) => void>();

process.env["ISTHMUS_ENVOY"] = envoyBinary();
const dir = await mkdtemp(join(tmpdir(), "isthmus-bench-"));
try {
  await measureAll();
} finally {
  await rm(dir, { recursive: true, force: true });
}

async function measureAll(): Promise<void> {
  await using opened = new AsyncDisposableStack();
  await issueMembers(dir, ["cart", "frontend"], ["near", "east", "west"]);
  const redis = opened.use(await startRedis());
  const hubs = [hubAt(`redis://${host}:${redis.port}`)];
  const start = (
    member: Member,
    own: Pick<Parameters<typeof startMemberAgent>[0], "services" | "real">,
  ): Promise<StartedAgent> =>
    startMemberAgent({ member, dir, host, run: forkHere, hubs, opened, ...own });
  const west = await start("west", { services: 0 });
  const near = await startServer("near", { opened, start, services });
  await startServer("east", { opened, start, services: 0 });
  const [listen = 0] = await freePorts(1);
  const caller = await startEnvoySidecar({
    opened,
    dir: join(dir, "west", "frontend"),
    agent: { host, port: west.xdsPort },
    workload: "frontend-1",
    serviceAccount: "frontend",
    zone: "a",
    inbound: [],
    upstreams: [{ service: parseServiceId("shop/cart"), port: 80, listen: { host, port: listen } }],
  });
  const pool = new HttpAgent({ keepAlive: true });
  opened.defer(() => pool.destroy());
  const ask = (): Promise<void> => askOnce(listen, pool);
  await until("near", ask);
  await measure({ agent: near, ask, perSecond: 10, count: warmUpRounds });
  const figures: Figure[] = [];
  for (const perSecond of loads) {
    const name = perSecond === 0 ? "idle" : `${perSecond} other changes/s`;
    const samples = await measure({ agent: near, ask, perSecond, count: rounds });
    figures.push(...figuresOf(name, samples));
  }
  report({
    claim: "A change in one member until a real Envoy of another acts on it",
    setup: { services, envoyClusters: await clustersOf(caller), rounds, hubs: 1, askEveryMs },
    figures,
  });
}

function figuresOf(name: string, samples: readonly number[]): readonly Figure[] {
  return [
    { name: `${name}: first request there`, unit: "ms", samples, target: { atMost: 15 } },
    {
      name: `${name}: the same, p99`,
      unit: "ms",
      samples: [quantile(samples, 0.99)],
      target: { atMost: 60 },
    },
  ];
}

/** Resolves with when its agent was told. */
async function exportCart(agent: Agent, isHealthy: boolean): Promise<bigint> {
  const said = agent.hear("said");
  agent.tell({ t: "export", name: "cart", isHealthy });
  return BigInt((await said).atNs);
}

/** By turns the workload nearby fails and is back; until the first request reached where it should go from then on. */
async function measure(of: {
  readonly agent: Agent;
  readonly ask: () => Promise<void>;
  readonly perSecond: number;
  readonly count: number;
}): Promise<readonly number[]> {
  const { agent, ask, perSecond, count } = of;
  agent.tell({ t: "noise", perSecond });
  const tookMs: number[] = [];
  for (let round = 0; round < count; round += 1) {
    await wait(restMs);
    const isHealthy = round % 2 === 1;
    const saidAtNs = exportCart(agent, isHealthy);
    const reachedNs = await until(isHealthy ? "near" : "east", ask);
    tookMs.push(Number(reachedNs - (await saidAtNs)) / 1e6);
  }
  agent.tell({ t: "noise", perSecond: 0 });
  return tookMs;
}

async function until(server: Server, ask: () => Promise<void>): Promise<bigint> {
  const { promise: arrived, resolve } = Promise.withResolvers<bigint>();
  arrivals.set(server, resolve);
  let isThere = false;
  const asked: Promise<void>[] = [];
  const done = arrived.then((atNs) => {
    isThere = true;
    arrivals.delete(server);
    return atNs;
  });
  while (!isThere) {
    asked.push(ask());
    await Promise.race([wait(askEveryMs), done]);
  }
  await Promise.all(asked);
  return done;
}

function askOnce(port: number, agent: HttpAgent): Promise<void> {
  return new Promise((resolve) => {
    const call = request({ host, port, agent }, (answer) => answer.resume().on("close", resolve));
    // Before all is told and warm.
    call.on("error", () => resolve());
    call.end();
  });
}

/** Agent, gateway, sidecar and application of a member that exports `cart`. */
async function startServer(
  member: Server,
  of: {
    readonly opened: AsyncDisposableStack;
    readonly services: number;
    readonly start: (
      member: Member,
      own: Pick<Parameters<typeof startMemberAgent>[0], "services" | "real">,
    ) => Promise<StartedAgent>;
  },
): Promise<Agent> {
  const { opened } = of;
  const app = createServer((_request, response) => {
    arrivals.get(member)?.(process.hrtime.bigint());
    response.end(member);
  }).listen(0, host);
  await once(app, "listening");
  opened.defer(() => {
    app.close();
    app.closeAllConnections();
  });
  const { port } = app.address() as AddressInfo;
  const [sidecarPort = 0] = await freePorts(1);
  const started = await of.start(member, { services: of.services, real: { port, sidecarPort } });
  await exportCart(started.agent, true);
  await startEnvoySidecar({
    opened,
    dir: join(dir, member, "cart"),
    agent: { host, port: started.xdsPort },
    workload: "cart-1",
    serviceAccount: "cart",
    zone: "a",
    inbound: [
      { endpoint: { host, port }, listen: { host, port: sidecarPort }, app: { host, port } },
    ],
    upstreams: [],
  });
  return started.agent;
}
