/** Whole rotations of the root under steady traffic: each member, and its callers, are processes of their own. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { agentAt } from "../src/app/root-rotation/agent-at.ts";
import { retireRootOf } from "../src/app/root-rotation/retire-root.ts";
import { type RotationHands, takeStep } from "../src/app/root-rotation/rotate-root.ts";
import { parseMemberName } from "../src/mesh/ids.ts";
import { TestMesh } from "../test/app/support/test-mesh.ts";
import { startRedis } from "../test/faults/support/redis-server.ts";
import { envoyBinary } from "./load/peers.ts";
import { type Failure, isAnswered, Lanes } from "./load/rotation/lanes.ts";
import type { PartOrder } from "./load/rotation/part.ts";
import { Journal, type Part } from "./load/rotation/stage.ts";
import { type Figure, report } from "./report.ts";

const rounds = Number(process.env["ROUNDS"] ?? 20);
/** Stops before the next rotation once so long has passed. */
const limitMs = Number(process.env["LIMIT_MS"] ?? 3_600_000);
const sidecarsPerMember = Number(process.env["SIDECARS"] ?? 30);
/** Two of each member: one that serves, one that calls. */
const hasEnvoys = process.env["ENVOYS"] !== "0";
/** This member's agent is away from before the first step until it alone is waited for. */
const isOneAway = process.env["AWAY"] === "1";
/** The same traffic without a rotation, before the first one: what fails then is not the rotation's fault. */
const stillMs = Number(process.env["STILL_MS"] ?? 10_000);
const names = ["east", "west", "south"] as const;
const away = parseMemberName("south");
// Each caller asks so often on a connection of its own for each request, and so often on one that it keeps.
const askEveryMs = Number(process.env["ASK_EVERY_MS"] ?? 3000);
// What an operator with little time would set; the default is 5 min.
const checkEveryMs = Number(process.env["CHECK_EVERY_MS"] ?? 6000);

const journal = new Journal();
await using mesh = await TestMesh.open();
await using opened = new AsyncDisposableStack();
const redis = opened.use(await startRedis());
if (hasEnvoys) process.env["ISTHMUS_ENVOY"] = envoyBinary();
for (const name of names) await mesh.issue(name, `region-of-${name}`);
const { members, httpUrl, urls } = await startAll();
const agent = agentAt(httpUrl);
// Its callers are served by the other members, through gateways.
await members[1]?.done({ t: "drain" });
await until(async () => (await Promise.all(urls.map(isAnswered))).every(Boolean));

const failures: Failure[] = [];
const lanes = new Lanes(urls, {
  everyMs: askEveryMs,
  onFailure: (failure) => {
    failures.push(failure);
    process.stderr.write(`${journal.describe(failure)}\n`);
  },
});
const dir = join(mesh.dir, "root");
const key = { t: "file", file: join(dir, "root.key") } as const;
const hands: RotationHands = { dir, key, agent, nowMs: () => Date.now() };
journal.step("no rotation");
await wait(stillMs);
const still = { answered: lanes.answered, failed: failures.length };
process.stderr.write(`no rotation: ${still.answered} answered, ${still.failed} failed\n`);
const rotationMs: number[] = [];
const healMs: number[] = [];
const endMs = performance.now() + limitMs;
while (rotationMs.length < rounds && performance.now() < endMs) {
  await rotate();
  const ms = Math.round(rotationMs.at(-1) ?? 0);
  process.stderr.write(
    `rotation ${rotationMs.length}: ${ms} ms, ${lanes.answered} answered, ${failures.length} failed\n`,
  );
}
await lanes[Symbol.asyncDispose]();
const journalFile = process.env["JOURNAL"];
if (journalFile !== undefined) await writeFile(journalFile, journal.lines().join("\n"));
const figures: Figure[] = [
  {
    name: "failed requests",
    unit: "requests",
    samples: [failures.length - still.failed],
    target: { atMost: 0 },
    judgedBy: "worst",
  },
  { name: "requests answered", unit: "requests", samples: [lanes.answered - still.answered] },
  { name: "failed before the first rotation", unit: "requests", samples: [still.failed] },
  { name: "answered before the first rotation", unit: "requests", samples: [still.answered] },
  { name: "whole rotation", unit: "ms", samples: rotationMs },
  { name: "a process was late by at most", unit: "ms", samples: [journal.worstLateMs()] },
  ...(isOneAway ? [{ name: "healed after its return", unit: "ms", samples: healMs }] : []),
];
report({
  claim: "The root is replaced without one failed request",
  setup: {
    rounds: rotationMs.length,
    members: names.length,
    embeddedSidecars: names.length * sidecarsPerMember,
    envoys: hasEnvoys ? names.length * 2 : 0,
    processes: names.length * 2,
    hub: "one Redis",
    lanes: lanes.count,
    askEveryMs,
    checkEveryMs,
    memberAway: isOneAway ? away : "",
  },
  figures,
});
process.exitCode = failures.length > still.failed ? 1 : 0;

async function startAll(): Promise<{
  readonly members: readonly Part[];
  readonly httpUrl: string;
  readonly urls: readonly string[];
}> {
  const hub = { url: `redis://127.0.0.1:${redis.port}`, name: "redis" };
  const common = { dir: mesh.dir, checkEveryMs };
  const parts: Part[] = [];
  const all: string[] = [];
  let first: Extract<Awaited<ReturnType<Part["hear"]>>, { t: "member" }> | undefined;
  for (const member of names) {
    const renewAt = first === undefined ? {} : { renewAt: first.xds };
    const work: PartOrder["work"] = { t: "member", hub, ...renewAt };
    const part = opened.use(journal.start(member, { ...common, member, work }));
    const started = await part.hear("member");
    first ??= started;
    parts.push(part);
    const { xds } = started;
    // One sidecar stands before the member's cart.
    const calling: PartOrder["work"] = {
      t: "callers",
      xds,
      count: sidecarsPerMember - 1,
      hasEnvoys,
    };
    const of = `callers of ${member}`;
    const callers = opened.use(journal.start(of, { ...common, member, work: calling }));
    all.push(...(await callers.hear("callers")).urls);
  }
  if (first === undefined) throw new RangeError("There are three members");
  return { members: parts, httpUrl: first.httpUrl, urls: all };
}

/** One whole rotation; returns when the old root is gone everywhere. */
async function rotate(): Promise<void> {
  const startMs = performance.now();
  if (isOneAway) await members[2]?.done({ t: "leave" });
  for (const t of ["start", "activate", "drain"] as const) {
    journal.step(t);
    await takeStep(hands, { t });
  }
  if (isOneAway) await comeBack();
  journal.step("retire");
  await retireRootOf(hands, {
    status: agent.status,
    waive: [],
    isEmergency: false,
    onWaiting: (missing) =>
      journal.step(
        `retire, waiting for ${missing.map(({ name, reasons }) => `${name}: ${reasons.join(", ")}`).join("; ")}`,
      ),
    onCutOff: () => undefined,
    pause: (ms) => wait(ms),
    limitMs: 120_000,
  });
  journal.step("idle");
  rotationMs.push(performance.now() - startMs);
}

/** When it alone is missing: its agent starts again, with what it has on its disk. */
async function comeBack(): Promise<void> {
  await until(async () => {
    const missing = (await agent.status()).members.filter(({ reasons }) => reasons.length > 0);
    return missing.length === 1 && missing[0]?.name === away;
  });
  const startMs = performance.now();
  await members[2]?.done({ t: "return" });
  await until(async () => (await agent.status()).isReady);
  healMs.push(performance.now() - startMs);
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  while (!(await isTrue())) {
    if (performance.now() > deadlineMs) throw new Error("The mesh never answered everywhere");
    await wait(200);
  }
}
