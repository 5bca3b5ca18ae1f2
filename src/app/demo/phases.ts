import type { MemberName } from "../../mesh/ids.ts";
import type { DemoMember } from "./demo-members.ts";
import type { PhaseReport } from "./render.ts";
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
  /** All samples so far, in the order in which they ended. */
  readonly samples: () => readonly Sample[];
  readonly epochMs: () => number;
  readonly pause: (ms: number) => Promise<void>;
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
  /** Breaks or mends something; returns the fault when traffic should move because of it. */
  readonly act: () => Promise<Fault | undefined>;
}

const steadyMs = 2500;
const afterFaultMs = 2500;
// A silent gateway is found by probes within 4 s; the phase must see what comes after that.
const afterSilenceMs = 5000;
const homeLimitMs = 15_000;

/** One round: everything breaks once and comes back. */
export async function playRound(
  stage: Stage,
  telling: PhaseTelling,
): Promise<readonly PhaseReport[]> {
  const reports: PhaseReport[] = [];
  for (const [index, phase] of phasesOf(stage).entries()) {
    telling.onStart({ number: index + 1, name: phase.name, title: phase.title });
    const startMs = stage.epochMs();
    const fault = await phase.act();
    const report = reportOf(stage, { phase, startMs, endMs: stage.epochMs(), fault });
    telling.onEnd(report);
    reports.push(report);
  }
  return reports;
}

function phasesOf(stage: Stage): readonly Phase[] {
  const [home, next] = nearestTwo(stage.members);
  return [
    {
      name: "steady",
      title: "every region serves itself",
      act: async () => {
        await stage.pause(steadyMs);
        return undefined;
      },
    },
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

async function drain(stage: Stage, home: MemberName): Promise<Fault> {
  const atMs = stage.epochMs();
  await stage.drain(home, { isOn: true });
  await stage.pause(afterFaultMs);
  const untilMs = stage.epochMs();
  await stage.drain(home, { isOn: false });
  await untilHome(stage, home);
  return { atMs, untilMs, member: home, service: shownService, cuts: false };
}

async function crash(stage: Stage, home: MemberName): Promise<Fault> {
  const atMs = stage.epochMs();
  await stage.crash(home);
  await stage.pause(afterFaultMs);
  return { atMs, untilMs: stage.epochMs(), member: home, service: shownService, cuts: true };
}

async function silence(stage: Stage, next: MemberName): Promise<Fault> {
  const atMs = stage.epochMs();
  stage.freezeGateway(next);
  await stage.pause(afterSilenceMs);
  return { atMs, untilMs: stage.epochMs(), member: next, service: shownService, cuts: true };
}

async function recover(
  stage: Stage,
  members: { readonly home: MemberName; readonly next: MemberName },
): Promise<undefined> {
  stage.thawGateway(members.next);
  await stage.restart(members.home);
  await untilHome(stage, members.home);
  return undefined;
}

/** Waits until the callers of a member have been served by it alone for a second. */
async function untilHome(stage: Stage, home: MemberName): Promise<void> {
  const deadlineMs = stage.epochMs() + homeLimitMs;
  while (stage.epochMs() < deadlineMs) {
    await stage.pause(100);
    const sinceMs = stage.epochMs() - 1000;
    const recent = stage
      .samples()
      .filter((sample) => isShown(sample, home) && sample.startMs > sinceMs);
    const isHome = recent.length > 0 && recent.every((sample) => sample.servedBy === home);
    if (isHome && recent.some((sample) => sample.startMs < sinceMs + 300)) return;
  }
}

function isShown(sample: Sample, caller: MemberName): boolean {
  return sample.caller === caller && sample.service === shownService;
}

function reportOf(
  stage: Stage,
  span: { phase: Phase; startMs: number; endMs: number; fault: Fault | undefined },
): PhaseReport {
  const samples = stage
    .samples()
    .filter((sample) => sample.endMs >= span.startMs && sample.endMs < span.endMs);
  const callers = stage.members.filter((member) => member.hasCallers);
  const byCaller = callers.map(({ name }) => ({
    caller: name,
    tally: tallyOf(
      samples.filter((sample) => isShown(sample, name)),
      span.fault,
    ),
  }));
  return {
    name: span.phase.name,
    title: span.phase.title,
    total: tallyOf(samples, span.fault),
    byCaller,
  };
}

/** Per phase, as `--json` writes it. */
export interface PhaseJson extends Omit<Tally, "movedMs" | "lastFailureMs"> {
  readonly name: string;
  readonly movedMs: number | null;
  readonly lastFailureMs: number | null;
}

export function phaseJson(report: PhaseReport): PhaseJson {
  const { movedMs, lastFailureMs, ...rest } = report.total;
  return {
    name: report.name,
    ...rest,
    movedMs: movedMs ?? null,
    lastFailureMs: lastFailureMs ?? null,
  };
}
