import { setTimeout as wait } from "node:timers/promises";
import { type Region, regionNames } from "../../../support/regions/regions.ts";
import { meshFaults } from "../all-faults.ts";
import type { MeshFault } from "../fault.ts";
import { FaultMesh, type MeshOptions } from "../mesh.ts";
import { services } from "../plan.ts";
import { machineMs, type Sample } from "../sample.ts";
import { absentIn, growthIn, unacknowledgedIn, violationsIn } from "./invariants.ts";
import { observe } from "./observe.ts";
import type { Step } from "./schedule.ts";

export interface SoakResult {
  /** Index of the step at which an invariant broke; absent: none did. */
  readonly failedAt?: number;
  readonly violations: readonly string[];
  readonly requests: number;
  readonly failed: number;
  /** Resident bytes of each part, after each step. */
  readonly rss: ReadonlyMap<string, readonly number[]>;
}

// Of what is connected, in ms after the last fault was mended.
const acknowledgedWithinMs = 5000;
// An Envoy that found no agent for long asks again after some seconds.
const connectedWithinMs = 45_000;
const observeEveryMs = 1000;

/** Runs the steps on a mesh of its own until one breaks an invariant. */
export async function runSchedule(
  steps: readonly Step[],
  options: MeshOptions & { readonly onStep: (line: string) => void },
): Promise<SoakResult> {
  await using mesh = await FaultMesh.open(options);
  await beginLoad(mesh);
  const rss = new Map<string, number[]>();
  let broken: { readonly failedAt: number; readonly violations: readonly string[] } | undefined;
  for (const [index, step] of steps.entries()) {
    const startMs = machineMs();
    const violations = await runStep(mesh, step);
    await noteMemory(mesh, rss);
    const all = [...violations, ...growthIn(rss)];
    const seconds = ((machineMs() - startMs) / 1000).toFixed(1);
    const verdict = all.length === 0 ? "ok" : `BROKEN: ${all.slice(0, 5).join("; ")}`;
    options.onStep(`${index}: ${step.faults.join(" + ")} (${seconds} s): ${verdict}`);
    if (all.length > 0) {
      broken = { failedAt: index, violations: all };
      break;
    }
  }
  const samples = await endLoad(mesh);
  const failed = samples.filter(({ failure }) => failure !== undefined).length;
  return { violations: [], ...broken, requests: samples.length, failed, rss };
}

/** Strikes, mends, and waits until all is as it was; what was broken meanwhile. */
async function runStep(mesh: FaultMesh, step: Step): Promise<readonly string[]> {
  const faults = step.faults.map(faultNamed);
  const watch = watchInvariants(mesh);
  const violations: string[] = [];
  try {
    for (const fault of faults) await fault.prepare?.(mesh);
    await Promise.all(faults.map((fault) => fault.strike(mesh)));
    await wait(step.lastsMs);
  } finally {
    for (const fault of faults) await fault.mend(mesh);
  }
  violations.push(...(await lateIn(mesh)));
  await wait(step.restMs);
  violations.push(...(await watch.end()));
  return [...new Set(violations)];
}

function faultNamed(name: string): MeshFault {
  const fault = meshFaults.find((one) => one.name === name);
  if (fault === undefined) throw new RangeError(`there is no fault ${name}`);
  return fault;
}

/** What is not acknowledged or connected in time after all was mended. */
async function lateIn(mesh: FaultMesh): Promise<readonly string[]> {
  const startMs = machineMs();
  for (;;) {
    const views = await observe(mesh);
    const unacknowledged = unacknowledgedIn(views);
    const absent = absentIn(views);
    const passedMs = machineMs() - startMs;
    if (unacknowledged.length === 0 && absent.length === 0) return [];
    if (absent.length === 0 && passedMs > acknowledgedWithinMs) return unacknowledged;
    if (passedMs > connectedWithinMs) return [...unacknowledged, ...absent];
    await wait(100);
  }
}

function watchInvariants(mesh: FaultMesh): { readonly end: () => Promise<readonly string[]> } {
  const found = new Set<string>();
  let isEnding = false;
  const watching = (async () => {
    for (; !isEnding; await wait(observeEveryMs)) {
      for (const violation of violationsIn(await observe(mesh))) found.add(violation);
    }
  })();
  return {
    end: async () => {
      isEnding = true;
      await watching;
      return [...found];
    },
  };
}

async function noteMemory(mesh: FaultMesh, rss: Map<string, number[]>): Promise<void> {
  for (const part of mesh.parts) {
    const bytes = rss.get(part.name) ?? [];
    bytes.push(await part.memory());
    rss.set(part.name, bytes);
  }
}

async function beginLoad(mesh: FaultMesh): Promise<void> {
  const lanes = services.map(({ name, protocol, localPort }) => ({
    service: name,
    kind: protocol === "http" ? ("get" as const) : ("new" as const),
    port: localPort,
    connections: 4,
    perSecond: protocol === "http" ? 50 : 5,
  }));
  for (const region of regionNames) {
    const begun = mesh.load(region).hear("begun");
    mesh.load(region).tell({ t: "begin", lanes, prefix: `soak-${region}` });
    await begun;
  }
}

async function endLoad(mesh: FaultMesh): Promise<readonly Sample[]> {
  const finish = async (region: Region): Promise<readonly Sample[]> => {
    const finished = mesh.load(region).hear("finished");
    mesh.load(region).tell({ t: "finish" });
    return (await finished).samples;
  };
  return (await Promise.all(regionNames.map(finish))).flat();
}
