/** A change in one member until every sidecar of another holds it: real agents, gateways, Redis and xDS streams. */
import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { HubConfig } from "../src/app/config/config.ts";
import { startRedis } from "../test/faults/support/redis-server.ts";
import { hubInEachRegion } from "../test/faults/support/region-redis.ts";
import { openRegions, type Region, whyNoRegions } from "../test/support/regions/regions.ts";
import { forkHere } from "../test/support/told-process.ts";
import { accountsFor, type Fleets, startFleets } from "./load/fleets.ts";
import {
  type Agent,
  hubAt,
  issueMembers,
  type StartedAgent,
  startMemberAgent,
} from "./load/two-members.ts";
import { type Figure, quantile, report } from "./report.ts";

const services = Number(process.env["SERVICES"] ?? 1000);
const sidecars = Number(process.env["SIDECARS"] ?? 100);
const rounds = Number(process.env["ROUNDS"] ?? 200);
const warmUpRounds = Number(process.env["WARM_UP_ROUNDS"] ?? 200);
const parts = (process.env["PARTS"] ?? "loopback,regions").split(",");
/** Other changes in the same member per second, and what p50 and p99 must not exceed. */
const loads: readonly { perSecond: number; p50Ms?: number; p99Ms: number }[] = [
  { perSecond: 0, p50Ms: 4, p99Ms: 15 },
  { perSecond: 10, p50Ms: 6, p99Ms: 30 },
  { perSecond: 50, p50Ms: 6, p99Ms: 30 },
  { perSecond: 200, p99Ms: 100 },
];
// Longer than one change takes, and no divisor of the others' rhythm.
const restMs = 23;

/** Where a member is, and how processes are started there. */
interface Place {
  readonly host: string;
  readonly run: (path: string) => ChildProcess;
}

const dir = await mkdtemp(join(tmpdir(), "isthmus-bench-"));
try {
  await issueMembers(dir, accountsFor(sidecars));
  if (parts.includes("loopback")) await onLoopback();
  if (parts.includes("regions")) await inRegions();
} finally {
  await rm(dir, { recursive: true, force: true });
}

async function onLoopback(): Promise<void> {
  await using redis = await startRedis();
  const at: Place = { host: "127.0.0.1", run: forkHere };
  await using stage = await openStage({
    east: at,
    west: at,
    hubs: [hubAt(`redis://127.0.0.1:${redis.port}`)],
  });
  // An agent has run for days, and its code is compiled.
  await measure(stage, { perSecond: 50, count: warmUpRounds });
  const figures: Figure[] = [];
  for (const load of loads) {
    const samples = await measure(stage, { perSecond: load.perSecond, count: rounds });
    const name = load.perSecond === 0 ? "idle" : `${load.perSecond} other changes/s`;
    figures.push(...figuresOf(name, samples, load));
  }
  report({
    claim:
      "a zone lost or back in one member: all sidecars of another hold it, one Redis on loopback",
    setup: { services, sidecars, rounds, mTls: true, hubs: 1 },
    figures,
  });
}

async function inRegions(): Promise<void> {
  const missing = whyNoRegions();
  if (missing !== undefined) {
    process.stderr.write(`Left out: ${missing}\n`);
    return;
  }
  await using regions = await openRegions();
  const place = (region: Region): Place => ({
    host: regions.address(region),
    run: (path) =>
      regions.spawn(region, [process.execPath, "--disable-warning=DEP0123", path], {
        stdio: ["ignore", "inherit", "inherit", "ipc"],
      }),
  });
  const hubs = (await hubInEachRegion(regions)).map(hubAt);
  for (const [from, to, rttMs] of [
    ["eu", "us", 60],
    ["us", "ap", 90],
    ["eu", "ap", 120],
  ] as const) {
    await using stage = await openStage({ east: place(from), west: place(to), hubs });
    await measure(stage, { perSecond: 50, count: warmUpRounds });
    const samples = await measure(stage, { perSecond: 0, count: rounds });
    report({
      claim: `the same from ${from} to ${to}, a hub in each of three regions`,
      setup: { services, sidecars, rounds, mTls: true, hubs: hubs.length, rttMs },
      figures: figuresOf("idle", samples, { p50Ms: rttMs / 2 + 10 }),
    });
  }
}

interface Stage extends AsyncDisposable {
  readonly east: Agent;
  readonly west: Agent;
  readonly fleets: Fleets;
}

/** Members east, that changes, and west, with the sidecars that hear of it. */
async function openStage(of: {
  readonly east: Place;
  readonly west: Place;
  readonly hubs: readonly HubConfig[];
}): Promise<Stage> {
  await using opened = new AsyncDisposableStack();
  const start = (member: "east" | "west", exports: number): Promise<StartedAgent> =>
    startMemberAgent({ member, dir, ...of[member], hubs: of.hubs, services: exports, opened });
  const [{ agent: east }, { agent: west, xdsPort }] = await Promise.all([
    start("east", services),
    start("west", 0),
  ]);
  const fleets = await startFleets({
    agent: { host: of.west.host, port: xdsPort },
    sidecars,
    dir: join(dir, "west"),
    expected: services,
    run: of.west.run,
    opened,
  });
  const owned = opened.move();
  return { east, west, fleets, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function cpuMsOf(agent: Agent): Promise<number> {
  const heard = agent.hear("cpu");
  agent.tell({ t: "cpu" });
  return (await heard).ms;
}

interface Samples {
  /** Of each agent, per change. */
  readonly cpuMs: { readonly east: number; readonly west: number };
  /** Until the last of all sidecars held it. */
  readonly lastMs: readonly number[];
  readonly firstMs: readonly number[];
}

async function measure(
  stage: Stage,
  { perSecond, count }: { readonly perSecond: number; readonly count: number },
): Promise<Samples> {
  stage.east.tell({ t: "noise", perSecond });
  const lastMs: number[] = [];
  const firstMs: number[] = [];
  let cpu = { east: 0, west: 0 };
  let startMs = 0;
  // The first ones come while the others' rhythm begins.
  for (let round = -5; round < count; round += 1) {
    if (round === 0) {
      cpu = { east: await cpuMsOf(stage.east), west: await cpuMsOf(stage.west) };
      startMs = performance.now();
    }
    await wait(restMs);
    const index = (round + 5) % 10;
    const { seen } = await stage.fleets.watch(stage.fleets.nameOf(`s${index}`));
    const said = stage.east.hear("said");
    stage.east.tell({ t: "turn", index });
    const { atNs } = await said;
    const { firstNs, lastNs } = await seen;
    if (round < 0) continue;
    lastMs.push(Number(lastNs - BigInt(atNs)) / 1e6);
    firstMs.push(Number(firstNs - BigInt(atNs)) / 1e6);
  }
  const changes = count + (perSecond * (performance.now() - startMs)) / 1000;
  const cpuMs = {
    east: ((await cpuMsOf(stage.east)) - cpu.east) / changes,
    west: ((await cpuMsOf(stage.west)) - cpu.west) / changes,
  };
  stage.east.tell({ t: "noise", perSecond: 0 });
  return { lastMs, firstMs, cpuMs };
}

function figuresOf(
  name: string,
  { lastMs, firstMs, cpuMs }: Samples,
  target: { readonly p50Ms?: number; readonly p99Ms?: number },
): readonly Figure[] {
  const { p50Ms, p99Ms } = target;
  return [
    { name: `${name}: CPU per change, agent that changes`, unit: "ms", samples: [cpuMs.east] },
    { name: `${name}: CPU per change, agent that hears of it`, unit: "ms", samples: [cpuMs.west] },
    { name: `${name}: first sidecar`, unit: "ms", samples: firstMs },
    {
      name: `${name}: last sidecar`,
      unit: "ms",
      samples: lastMs,
      ...(p50Ms === undefined ? {} : { target: { atMost: p50Ms } }),
    },
    ...(p99Ms === undefined
      ? []
      : [
          {
            name: `${name}: last sidecar, p99`,
            unit: "ms",
            samples: [quantile(lastMs, 0.99)],
            target: { atMost: p99Ms },
          },
        ]),
  ];
}
