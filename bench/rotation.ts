/** Whole rotations of the root under steady traffic: real agents, gateways and sidecars of both engines, in one process. */
import { get, Agent as HttpAgent } from "node:http";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { agentAt } from "../src/app/root-rotation/agent-at.ts";
import { retireRootOf } from "../src/app/root-rotation/retire-root.ts";
import { type RotationHands, takeStep } from "../src/app/root-rotation/rotate-root.ts";
import { parseMemberName, parseServiceId } from "../src/mesh/ids.ts";
import { freePorts } from "../test/app/support/free-port.ts";
import { startApp, writeService } from "../test/app/support/shop.ts";
import {
  local,
  startCaller,
  startMember,
  type TestMember,
  TestMesh,
} from "../test/app/support/test-mesh.ts";
import { envoyBinary } from "./load/peers.ts";
import { type Figure, report } from "./report.ts";

const rounds = Number(process.env["ROUNDS"] ?? 20);
const sidecarsPerMember = Number(process.env["SIDECARS"] ?? 30);
/** Two of each member: one that serves, one that calls. */
const hasEnvoys = process.env["ENVOYS"] !== "0";
/** This member's agent is away from before the first step until it alone is waited for. */
const isOneAway = process.env["AWAY"] === "1";
const names = ["east", "west", "south"] as const;
const away = parseMemberName("south");
// Each caller asks so often on a connection of its own for each request, and so often on one that it keeps. All of it
// runs in one process: a new connection is two TLS handshakes there, or three, at both of their ends.
const askEveryMs = Number(process.env["ASK_EVERY_MS"] ?? 3000);

interface Lane {
  readonly url: string;
  readonly http: HttpAgent;
  answered: number;
  readonly failures: string[];
}

await using mesh = await TestMesh.open();
if (hasEnvoys) process.env["ISTHMUS_ENVOY"] = envoyBinary();
// What an operator with little time would set; the default is 5 min. Each launcher that renews costs this one process what
// in a mesh is spread over all of theirs.
mesh.checkEveryMs = Number(process.env["CHECK_EVERY_MS"] ?? 6000);
for (const name of names) await mesh.issue(name, `region-of-${name}`);
const dir = join(mesh.dir, "root");
mesh.trust.set("east", { signer: { t: "file", file: join(dir, "root.key") } });
const members: TestMember[] = [];
for (const name of names) {
  members.push(await startMember(mesh, name, `region-of-${name}`));
  const [first] = members;
  if (first === undefined) continue;
  for (const other of names.slice(1)) mesh.trust.set(other, { renewAt: [first.agent.xds] });
}
const [east, west] = members;
if (east === undefined || west === undefined) throw new RangeError("There are three members");
await Promise.all(members.map(({ agent }) => agent.whenWarm));

const urls: string[] = [];
for (const member of members) {
  // One sidecar stands before the member's cart.
  for (let number = 1; number < sidecarsPerMember; number += 1) {
    const caller = await startCaller(mesh, member, `caller-${number}`);
    urls.push(caller.url);
  }
  if (hasEnvoys) urls.push(await startEnvoys(member));
}
// Its callers are served by the other members, through gateways.
await west.drain(true);
await until(async () => (await Promise.all(urls.map(isAnswered))).every(Boolean));

const lanes = urls.flatMap((url) =>
  [false, true].map((keepAlive): Lane => {
    const http = new HttpAgent({ keepAlive, maxSockets: 1 });
    return { url, http, answered: 0, failures: [] };
  }),
);
const ending = new AbortController();
const running = lanes.map(async (lane, index) => await call(lane, index));
const { status } = agentAt(east.agent.httpUrl);
const hands: RotationHands = {
  dir,
  key: { t: "file", file: join(dir, "root.key") },
  agent: agentAt(east.agent.httpUrl),
  nowMs: () => Date.now(),
};
const rotationMs: number[] = [];
let step = "";
let worstLagMs = 0;
let lastTickMs = performance.now();
const ticking = setInterval(() => {
  worstLagMs = Math.max(worstLagMs * 0.99, performance.now() - lastTickMs - 20);
  lastTickMs = performance.now();
}, 20);
const healMs: number[] = [];
for (let round = 1; round <= rounds; round += 1) {
  await rotate();
  const failed = lanes.reduce((sum, { failures }) => sum + failures.length, 0);
  const answered = lanes.reduce((sum, lane) => sum + lane.answered, 0);
  process.stderr.write(
    `rotation ${round}: ${Math.round(rotationMs.at(-1) ?? 0)} ms, ${answered} answered, ${failed} failed\n`,
  );
}
ending.abort();
clearInterval(ticking);
await Promise.all(running);
for (const { http } of lanes) http.destroy();
const failures = lanes.flatMap((lane) => lane.failures);
const figures: Figure[] = [
  {
    name: "failed requests",
    unit: "requests",
    samples: [failures.length],
    target: { atMost: 0 },
    judgedBy: "worst",
  },
  {
    name: "requests answered",
    unit: "requests",
    samples: [lanes.reduce((sum, lane) => sum + lane.answered, 0)],
  },
  { name: "whole rotation", unit: "ms", samples: rotationMs },
  ...(isOneAway ? [{ name: "healed after its return", unit: "ms", samples: healMs }] : []),
];
report({
  claim: "The root is replaced without one failed request",
  setup: {
    rounds,
    members: members.length,
    embeddedSidecars: members.length * sidecarsPerMember,
    envoys: hasEnvoys ? members.length * 2 : 0,
    lanes: lanes.length,
    askEveryMs,
    checkEveryMs: mesh.checkEveryMs ?? 0,
    memberAway: isOneAway ? away : "",
  },
  figures,
});
process.exitCode = failures.length > 0 ? 1 : 0;

/** One whole rotation; returns when the old root is gone everywhere. */
async function rotate(): Promise<void> {
  const startMs = performance.now();
  if (isOneAway) await members[2]?.agent.stop({ deadlineMs: 1000 });
  for (const t of ["start", "activate", "drain"] as const) {
    step = t;
    await takeStep(hands, { t });
  }
  if (isOneAway) await comeBack();
  step = "retire";
  await retireRootOf(hands, {
    status,
    waive: [],
    isEmergency: false,
    onWaiting: () => undefined,
    onCutOff: () => undefined,
    pause: (ms) => wait(ms),
    limitMs: 120_000,
  });
  rotationMs.push(performance.now() - startMs);
}

/** When it alone is missing: its agent starts again, with what it has on its disk. */
async function comeBack(): Promise<void> {
  const [, , south] = members;
  if (south === undefined) return;
  await until(async () => {
    const missing = (await status()).members.filter(({ reasons }) => reasons.length > 0);
    return missing.length === 1 && missing[0]?.name === away;
  });
  const startMs = performance.now();
  const config = mesh.agentConfig(south.name, `region-of-${south.name}`, south.gatewayPort);
  const agent = await mesh.startAgent({ ...config, xds: { listen: south.agent.xds } });
  members[2] = { ...south, agent };
  await until(async () => (await status()).isReady);
  healMs.push(performance.now() - startMs);
}

/** A service that an Envoy stands before, and an Envoy that calls it; returns where. */
async function startEnvoys(member: TestMember): Promise<string> {
  const [port = 0, inbound = 0, listen = 0] = await freePorts(3);
  const app = await startApp(`till of ${member.name}`, port);
  mesh.defer(app.kill);
  const workload = `till-${member.name}`;
  await writeService(mesh.servicesDir(member.name), {
    name: "till",
    isExported: true,
    workloads: [{ name: workload, port }],
  });
  const { xds } = member.agent;
  const server = await mesh.startSidecar(member.name, {
    agent: xds,
    workload,
    serviceAccount: "till",
    engine: "envoy",
    inbound: [{ endpoint: local(port), listen: local(inbound), app: local(port) }],
  });
  const caller = await mesh.startSidecar(member.name, {
    agent: xds,
    workload: `envoy-caller-${member.name}`,
    serviceAccount: "envoy-caller",
    engine: "envoy",
    upstreams: [{ service: parseServiceId("shop/till"), port: 80, listen: local(listen) }],
  });
  await Promise.all([server.whenReady, caller.whenReady]);
  return `http://127.0.0.1:${listen}/`;
}

async function call(lane: Lane, index: number): Promise<void> {
  // Not all in one moment.
  await wait((askEveryMs * index) / lanes.length);
  while (!ending.signal.aborted) {
    const startMs = performance.now();
    const first = await ask(lane);
    // A kept connection may end at any time: clients repeat what they sent into its end (RFC 9112, 9.3.1).
    const last = first.isKept && first.failure !== undefined ? await ask(lane) : first;
    if (last.failure === undefined) lane.answered += 1;
    else lane.failures.push(whereOf(last.failure, performance.now() - startMs));
    const [told] = lane.failures;
    if (last.failure !== undefined && lane.failures.length === 1) process.stderr.write(`${told}\n`);
    await wait(Math.max(0, askEveryMs - (performance.now() - startMs)));
  }
}

/** With how late this process was: who shares its machine may have had all of it. */
function whereOf(failure: string, tookMs: number): string {
  const late = Math.round(worstLagMs);
  return `${failure} after ${Math.round(tookMs)} ms, in step ${step}; this process was up to ${late} ms late`;
}

interface Outcome {
  readonly failure: string | undefined;
  readonly isKept: boolean;
}

function ask({ url, http }: Pick<Lane, "url" | "http">): Promise<Outcome> {
  return new Promise((resolve) => {
    const request = get(url, { agent: http, timeout: 10_000 }, (response) => {
      const end = (failure: string | undefined): void =>
        resolve({ failure, isKept: request.reusedSocket });
      response.resume();
      response.on("error", (error) => end(error.message));
      response.on("end", () =>
        end(response.statusCode === 200 ? undefined : `status ${response.statusCode}`),
      );
    });
    request.on("timeout", () => request.destroy(new Error("no answer within 10 s")));
    request.on("error", (error) =>
      resolve({ failure: error.message, isKept: request.reusedSocket }),
    );
  });
}

async function isAnswered(url: string): Promise<boolean> {
  const http = new HttpAgent({ keepAlive: false });
  const { failure } = await ask({ url, http });
  return failure === undefined;
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  while (!(await isTrue())) {
    if (performance.now() > deadlineMs) throw new Error("The mesh never answered everywhere");
    await wait(200);
  }
}
