import { setTimeout as wait } from "node:timers/promises";
import type { MemberAnswer } from "../../../src/app/api-model.ts";
import { type Region, regionNames } from "../../support/regions/regions.ts";
import type { Engine } from "./configs.ts";
import type { MeshFault } from "./fault.ts";
import { type Course, type Measure, measure } from "./measure.ts";
import type { FaultMesh } from "./mesh.ts";
import { serviceNamed, services } from "./plan.ts";
import { type Kind, type LanePlan, machineMs, type Sample } from "./sample.ts";
import type { RowName } from "./targets.ts";

export interface Outcome {
  readonly name: string;
  readonly row: RowName;
  /** Of the region that answers while it lasts; 0: the caller's own. */
  readonly rttMs: number;
  readonly engine: Engine;
  readonly http: Measure;
  readonly tcpNew: Measure;
  readonly tcpHeld: Measure;
  /** Failed repeatable requests of callers in other regions, and to services that were not hit. */
  readonly elsewhereFailed: number;
  /** Requests that may not be repeated and were carried out more than once. */
  readonly twice: number;
  /** When the caller's agent first held a member for anything but alive, in ms after the fault. */
  readonly declaredDead: Readonly<Record<string, number>>;
  /** 0..1 of the answers before the fault. */
  readonly struckShare: number;
  /** How long the load's own process was held up at worst: what its times cannot resolve. */
  readonly lagMs: number;
}

export interface RunOptions {
  /** Gets every exchange of the caller that is watched, and when what happened. */
  readonly onSamples?: (samples: readonly Sample[], course: Course) => void;
  /** Of the caller in eu; the others send a tenth. */
  readonly perSecond: number;
  readonly lastsMs: number;
}

const watched: Region = "eu";
const httpConnections = 16;
const beforeMs = 2000;
// Code that runs for the first time is slow: that of a fresh mesh is used for a while before it is struck.
const warmUpMs = 5000;
const settleLimitMs = 60_000;
const afterMs = 1500;
const lateMs = 150;
// TCP, TLS, then the request: what a new connection to another region adds.
const roundTripsOfNewConnection = 3;
let runs = 0;
const warm = new WeakSet<FaultMesh>();

/** Strikes a healthy mesh under load, mends it, and waits until traffic is as before. */
export async function runFault(
  mesh: FaultMesh,
  fault: MeshFault,
  options: RunOptions,
): Promise<Outcome> {
  await begin(mesh, fault, options);
  const isStruck = startsWithAny(fault.struck);
  await untilCarrying(mesh, fault, 0);
  if (!warm.has(mesh)) await wait(warmUpMs);
  warm.add(mesh);
  const beganMs = machineMs();
  const watch = watchMembers(mesh);
  await wait(beforeMs);
  const before = await shareOf(mesh, fault);
  const preparedMs = machineMs();
  let faultMs = preparedMs;
  let healMs = preparedMs;
  try {
    await fault.prepare?.(mesh);
    faultMs = machineMs();
    await fault.strike(mesh);
    await wait(fault.lastsMs ?? options.lastsMs);
  } finally {
    healMs = machineMs();
    await watch.end();
    await fault.mend(mesh);
  }
  await untilCarrying(mesh, fault, before * 0.8);
  await wait(afterMs);
  const course: Course = { beganMs, preparedMs, faultMs, healMs };
  const all = await finish(mesh);
  const own = all.samples.get(watched) ?? [];
  options.onSamples?.(own, course);
  const allowed = fault.allowed;
  const far = (fault.rttMs ?? 0) * roundTripsOfNewConnection;
  const measured = (service: string, kinds: readonly Kind[]): Measure =>
    measure(
      own.filter((one) => one.service === service && kinds.includes(one.kind)),
      {
        course,
        isStruck,
        isAllowed: allowed === undefined ? () => true : startsWithAny(allowed),
        lateMs: lateMs + far,
      },
    );
  const isMain = (region: Region, service: string): boolean =>
    region === watched && (service === fault.http || service === fault.tcp);
  const elsewhere = [...all.samples].flatMap(([region, samples]) =>
    samples.filter(({ service, kind }) => !isMain(region, service) && kind === "get"),
  );
  return {
    name: fault.name,
    row: fault.row,
    rttMs: fault.rttMs ?? 0,
    engine: mesh.engine,
    http: measured(fault.http, ["get", "post"]),
    tcpNew: measured(fault.tcp, ["new"]),
    tcpHeld: measured(fault.tcp, ["held"]),
    elsewhereFailed: elsewhere.filter(
      ({ failure, endMs }) => failure !== undefined && endMs > preparedMs,
    ).length,
    twice: await carriedOutTwice(mesh),
    declaredDead: watch.deadSince(preparedMs),
    struckShare: before,
    lagMs: all.lagMs,
  };
}

/** What the caller's agent thinks of the others; an agent that is down or hangs thinks nothing. */
function watchMembers(mesh: FaultMesh): {
  /** Who was held for dead first after `sinceMs`, and how much later. */
  readonly deadSince: (sinceMs: number) => Readonly<Record<string, number>>;
  readonly end: () => Promise<void>;
} {
  const seen: { readonly member: string; readonly atMs: number }[] = [];
  let isEnding = false;
  const watching = (async () => {
    for (; !isEnding; await wait(100)) {
      const answer = (await mesh.ask(watched, "members")) as MembersAnswer | undefined;
      for (const { name, state } of answer?.members ?? []) {
        if (state !== "live" && state !== "self") seen.push({ member: name, atMs: machineMs() });
      }
    }
  })();
  return {
    deadSince: (sinceMs) => {
      const delays: Record<string, number> = {};
      for (const { member, atMs } of seen) {
        if (atMs >= sinceMs) delays[member] ??= atMs - sinceMs;
      }
      return delays;
    },
    end: async () => {
      isEnding = true;
      await watching;
    },
  };
}

interface MembersAnswer {
  readonly members: readonly MemberAnswer[];
}

function startsWithAny(beginnings: readonly string[]): (who: string) => boolean {
  return (who) => beginnings.some((beginning) => who.startsWith(beginning));
}

async function begin(mesh: FaultMesh, fault: MeshFault, options: RunOptions): Promise<void> {
  runs += 1;
  for (const region of regionNames) {
    const load = mesh.load(region);
    const begun = load.hear("begun");
    const perSecond = region === watched ? options.perSecond : options.perSecond / 10;
    load.tell({ t: "begin", lanes: lanesFor(fault, perSecond), prefix: `${region}-${runs}` });
    await begun;
  }
}

function lanesFor(fault: MeshFault, perSecond: number): readonly LanePlan[] {
  const http = { service: fault.http, port: serviceNamed(fault.http).localPort };
  const tcp = { service: fault.tcp, port: serviceNamed(fault.tcp).localPort };
  const half = { connections: httpConnections / 2, perSecond: perSecond / 2 };
  const asides = services
    .filter(({ name, protocol }) => protocol === "http" && name !== fault.http)
    .map(({ name, localPort }) => ({ service: name, port: localPort }));
  return [
    ...asides.map((aside) => ({ ...aside, kind: "get" as const, connections: 2, perSecond: 20 })),
    { ...http, kind: "get", ...half },
    { ...http, kind: "post", ...half },
    { ...tcp, kind: "new", connections: 8, perSecond: 20 },
    { ...tcp, kind: "held", connections: 8, perSecond: 32 },
  ];
}

/** The struck ones' share of the last second's answers; a failed request makes it 0. */
async function shareOf(mesh: FaultMesh, fault: MeshFault): Promise<number> {
  const load = mesh.load(watched);
  const heard = load.hear("peeked");
  load.tell({ t: "peek", lastMs: 1000 });
  const { counts } = await heard;
  const isStruck = startsWithAny(fault.struck);
  let struck = 0;
  let all = 0;
  for (const [key, count] of Object.entries(counts)) {
    const [service, kind, who = ""] = key.split(" ");
    if (service !== fault.http || (kind !== "get" && kind !== "post")) continue;
    if (who === "") return -1;
    all += count;
    if (isStruck(who)) struck += count;
  }
  return all === 0 ? -1 : struck / all;
}

/** Until the struck ones carry at least that share and nothing fails, or it takes too long. */
async function untilCarrying(mesh: FaultMesh, fault: MeshFault, share: number): Promise<void> {
  const needed = fault.struck.length > 0 ? Math.max(share, 0.01) : 0;
  for (const endMs = machineMs() + settleLimitMs; machineMs() < endMs; await wait(100)) {
    if ((await shareOf(mesh, fault)) >= needed) return;
  }
}

async function finish(
  mesh: FaultMesh,
): Promise<{ readonly samples: ReadonlyMap<Region, readonly Sample[]>; readonly lagMs: number }> {
  const samples = new Map<Region, readonly Sample[]>();
  let lagMs = 0;
  const one = async (region: Region): Promise<void> => {
    const load = mesh.load(region);
    const finished = load.hear("finished");
    load.tell({ t: "finish" });
    const heard = await finished;
    samples.set(region, heard.samples);
    if (region === watched) lagMs = heard.lagMs;
  };
  await Promise.all(regionNames.map(one));
  return { samples, lagMs };
}

/** Over all applications that live; what those remember who died is lost with them. */
async function carriedOutTwice(mesh: FaultMesh): Promise<number> {
  const seen = new Set<string>();
  let twice = 0;
  for (const app of mesh.apps.values()) {
    const heard = app.hear("done");
    app.tell({ t: "tell" });
    for (const id of (await heard).ids) {
      if (seen.has(id)) twice += 1;
      seen.add(id);
    }
  }
  return twice;
}
