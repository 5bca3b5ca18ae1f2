import type { MemberName } from "../../mesh/ids.ts";
import type { DemoMember } from "./demo-members.ts";
import type { PhaseReport } from "./render.ts";
import type { DemoRotation } from "./rotation.ts";
import { type Fault, type Sample, type Tally, tallyOf } from "./samples.ts";

/** The service whose failover the demo shows. */
export const shownService = "cart";

/** What the demo can do to its members. Each resolves when done, not when its effect is seen. */
export interface Stage {
  readonly members: readonly DemoMember[];
  readonly drain: (member: MemberName, options: { readonly isOn: boolean }) => Promise<void>;
  readonly crash: (member: MemberName) => Promise<void>;
  readonly restart: (member: MemberName) => Promise<void>;
  readonly freezeGateway: (member: MemberName) => void;
  readonly thawGateway: (member: MemberName) => void;
  readonly rotation: DemoRotation;
  /** All samples so far, in the order in which they ended. */
  readonly samples: () => readonly Sample[];
  readonly epochMs: () => number;
  readonly pause: (ms: number) => Promise<void>;
  /** Somebody ended the demo: nothing that follows counts. */
  readonly isOver: () => boolean;
}

export interface PhaseTelling {
  readonly onStart: (phase: {
    readonly number: number;
    readonly name: string;
    readonly title: string;
  }) => void;
  readonly onEnd: (report: PhaseReport) => void;
}

interface Phase {
  readonly name: string;
  readonly title: string;
  /** Breaks or mends something, and waits for what comes of it. */
  readonly act: () => Promise<Outcome>;
}

interface Outcome {
  /** When traffic should move away because of it. */
  readonly fault?: Fault;
  /** When traffic came home: from the mending to the last answer from elsewhere. */
  readonly homeMs?: number | undefined;
}

const steadyMs = 2000;
const afterFaultMs = 2000;
const afterStepMs = 1000;
// A silent gateway is found by probes within 4 s; the phase must see what comes after that.
const afterSilenceMs = 4500;
const homeLimitMs = 15_000;
const quietMs = 700;

/** What a round is about: everything breaks once and comes back, or the root is replaced. */
export type Play = "failover" | "rotation";

export async function playRound(
  stage: Stage,
  telling: PhaseTelling & { readonly play: Play },
): Promise<readonly PhaseReport[]> {
  const reports: PhaseReport[] = [];
  const phases = telling.play === "rotation" ? rotationPhases(stage) : phasesOf(stage);
  for (const [index, phase] of phases.entries()) {
    telling.onStart({ number: index + 1, name: phase.name, title: phase.title });
    const startMs = stage.epochMs();
    const outcome = await phase.act();
    if (stage.isOver()) break;
    const report = reportOf(stage, { phase, startMs, endMs: stage.epochMs(), outcome });
    telling.onEnd(report);
    reports.push(report);
  }
  return reports;
}

function rotationPhases(stage: Stage): readonly Phase[] {
  const { publish, activate, drain: drainOld, retire } = stage.rotation;
  const step = (name: string, title: string, take: () => Promise<void>): Phase => ({
    name,
    title,
    act: async () => {
      await take();
      // What comes of it is seen in what follows.
      await stage.pause(afterStepMs);
      return {};
    },
  });
  return [
    steady(stage),
    step("publish", "a new root is made, and every proxy trusts both", publish),
    step("activate", "every member issues under the new root", activate),
    step("drain", "identities under the old root are replaced, until none is in use", drainOld),
    step("retire", "every proxy has confirmed it: the old root is trusted no more", retire),
  ];
}

function steady(stage: Stage): Phase {
  return {
    name: "steady",
    title: "every region serves itself",
    act: async () => {
      await stage.pause(steadyMs);
      return {};
    },
  };
}

function phasesOf(stage: Stage): readonly Phase[] {
  const [home, next] = nearestTwo(stage.members);
  return [
    steady(stage),
    {
      name: "drain",
      title: `${shownService} in ${home} is drained: its callers go to the next nearest region`,
      act: () => drain(stage, home),
    },
    {
      name: "crash",
      title: `the workloads of ${home} are killed`,
      act: () => crash(stage, home),
    },
    {
      name: "silent-gateway",
      title: `the gateway of ${next}, which took over, hangs without a word`,
      act: () => silence(stage, next),
    },
    {
      name: "recovery",
      title: `${home} and the gateway of ${next} come back`,
      act: () => recover(stage, { home, next }),
    },
  ];
}

/** The member where things break, and the one that is nearest to it. */
function nearestTwo(members: readonly DemoMember[]): [MemberName, MemberName] {
  const [home, next] = members.filter((member) => member.hasCallers);
  if (home === undefined || next === undefined) throw new RangeError("The demo needs two clusters");
  return [home.name, next.name];
}

async function drain(stage: Stage, home: MemberName): Promise<Outcome> {
  const atMs = stage.epochMs();
  await stage.drain(home, { isOn: true });
  await stage.pause(afterFaultMs);
  const untilMs = stage.epochMs();
  await stage.drain(home, { isOn: false });
  const homeMs = await untilHome(stage, home, untilMs);
  const where = { member: home, service: shownService, at: "workloads" } as const;
  return { fault: { ...where, atMs, untilMs, cuts: false }, homeMs };
}

async function crash(stage: Stage, home: MemberName): Promise<Outcome> {
  const atMs = stage.epochMs();
  await stage.crash(home);
  await stage.pause(afterFaultMs);
  const where = { member: home, service: shownService, at: "workloads" } as const;
  return { fault: { ...where, atMs, untilMs: stage.epochMs(), cuts: true } };
}

async function silence(stage: Stage, next: MemberName): Promise<Outcome> {
  const atMs = stage.epochMs();
  stage.freezeGateway(next);
  await stage.pause(afterSilenceMs);
  const where = { member: next, service: shownService, at: "gateway" } as const;
  return { fault: { ...where, atMs, untilMs: stage.epochMs(), cuts: true } };
}

async function recover(
  stage: Stage,
  members: { readonly home: MemberName; readonly next: MemberName },
): Promise<Outcome> {
  const atMs = stage.epochMs();
  stage.thawGateway(members.next);
  await stage.restart(members.home);
  return { homeMs: await untilHome(stage, members.home, atMs) };
}

/**
 * Waits until the callers of a member have been served by it alone for a while; returns the time from
 * `sinceMs` to their last answer from elsewhere, or undefined when that did not come to pass.
 */
async function untilHome(
  stage: Stage,
  home: MemberName,
  sinceMs: number,
): Promise<number | undefined> {
  const deadlineMs = stage.epochMs() + homeLimitMs;
  while (stage.epochMs() < deadlineMs && !stage.isOver()) {
    await stage.pause(100);
    const own = stage.samples().filter((sample) => isShown(sample, home));
    const away = own.filter(({ servedBy, endMs }) => servedBy !== home && endMs > sinceMs);
    const lastAwayMs = Math.max(sinceMs, ...away.map(({ endMs }) => endMs));
    const isServed = own.some(({ startMs }) => startMs > lastAwayMs);
    if (isServed && stage.epochMs() - lastAwayMs > quietMs) return lastAwayMs - sinceMs;
  }
  return undefined;
}

function isShown(sample: Sample, caller: MemberName): boolean {
  return sample.caller === caller && sample.service === shownService;
}

// Long enough for every caller to have been answered, short enough to say who answers now.
const justBeforeMs = 500;

function reportOf(
  stage: Stage,
  span: { phase: Phase; startMs: number; endMs: number; outcome: Outcome },
): PhaseReport {
  const { fault, homeMs } = span.outcome;
  const within = (fromMs: number, toMs: number): readonly Sample[] =>
    stage.samples().filter(({ endMs }) => endMs >= fromMs && endMs < toMs);
  const samples = within(span.startMs, span.endMs);
  const before = within(span.startMs - justBeforeMs, span.startMs);
  const callers = stage.members.filter((member) => member.hasCallers);
  const byCaller = callers.map(({ name }) => {
    const own = (sample: Sample): boolean => isShown(sample, name);
    return {
      caller: name,
      tally: tallyOf(samples.filter(own), { fault, before: before.filter(own) }),
    };
  });
  const total = tallyOf(samples, { fault, before });
  return { name: span.phase.name, title: span.phase.title, total, byCaller, homeMs };
}

/** Per phase, as `--json` writes it. */
export interface PhaseJson extends Omit<Tally, "movedMs" | "lastFailureMs"> {
  readonly name: string;
  readonly movedMs: number | null;
  readonly lastFailureMs: number | null;
  readonly homeMs: number | null;
}

export function phaseJson(report: PhaseReport): PhaseJson {
  const { movedMs, lastFailureMs, ...rest } = report.total;
  const rounded = (ms: number | undefined): number | null => (ms === undefined ? null : round(ms));
  return {
    name: report.name,
    ...rest,
    p50Ms: round(rest.p50Ms),
    p99Ms: round(rest.p99Ms),
    movedMs: rounded(movedMs),
    lastFailureMs: rounded(lastFailureMs),
    homeMs: rounded(report.homeMs),
  };
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
