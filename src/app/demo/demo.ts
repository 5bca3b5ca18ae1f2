import { writeFile } from "node:fs/promises";
import type { MemberName } from "../../mesh/ids.ts";
import type { EngineKind } from "../config/config.ts";
import { findEnvoy } from "../launcher/envoy/find-envoy.ts";
import { version } from "../version.ts";
import { type DemoMember, demoMembers } from "./demo-members.ts";
import { type DemoMesh, openDemoMesh } from "./demo-mesh.ts";
import { planDemo } from "./demo-plan.ts";
import type { DemoStoreChoice } from "./demo-store.ts";
import type { Screen } from "./paint.ts";
import { pause } from "./pause.ts";
import { type PhaseJson, phaseJson, playRound, type Stage } from "./phases.ts";
import {
  bannerText,
  closingText,
  mapText,
  type PhaseReport,
  phaseHeading,
  phaseText,
  stepText,
  summaryText,
} from "./render.ts";

export interface DemoOptions {
  readonly isOnce: boolean;
  /** The root is replaced, instead of things being broken. */
  readonly isRotation: boolean;
  readonly clusterCount: number;
  /** Of the first member's agent; absent: 15080 when it is free, else any free one. */
  readonly httpPort?: number;
  readonly jsonFile?: string;
  readonly store: DemoStoreChoice;
  readonly engine: EngineKind;
  readonly screen: Screen;
  readonly out: (text: string) => void;
}

/** What `--json` writes after each round. */
interface DemoJson {
  readonly version: string;
  readonly store: string;
  readonly engine: string;
  readonly members: readonly string[];
  readonly firstRequestMs: number;
  readonly totalMs: number;
  readonly phases: readonly PhaseJson[];
}

// Long enough to look around with `isthmus members` and the like.
const betweenRoundsMs = 20_000;

/** Runs the demo; resolves with whether a request failed that no phase itself had cut. */
export async function runDemo(options: DemoOptions): Promise<boolean> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  try {
    return await play(options, interrupted.signal);
  } catch (thrown) {
    // Ctrl-C while it starts is no failure, whatever it broke off.
    if (interrupted.signal.aborted) return false;
    throw thrown;
  } finally {
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
  }
}

async function play(options: DemoOptions, signal: AbortSignal): Promise<boolean> {
  const say = (text: string): void => options.out(`${text}\n`);
  const view = { screen: options.screen, members: demoMembers(options.clusterCount) };
  // Before anything else: an Envoy that is not there is something that an operator can mend.
  if (options.engine === "envoy") await findEnvoy(process.env);
  await using plan = await planDemo({ ...options, members: view.members });
  say(bannerText(view, { version, sites: plan.sites }));
  // Measured from the process's own start: what the user waits for includes loading the program.
  const onStep = (what: string): void =>
    say(stepText(view, { what, elapsedMs: performance.now() }));
  await using mesh = await openDemoMesh({ plan, store: options.store, onStep, signal });
  say(mapText(view, mesh.apiUrls));
  let hasFailed = false;
  for (let round = 1; !signal.aborted; round += 1) {
    const reports = await playRound(stageOf(mesh, { members: view.members, signal }), {
      play: options.isRotation ? "rotation" : "failover",
      onStart: (phase) => say(phaseHeading(view, phase)),
      onEnd: (report) => say(phaseText(view, report)),
    });
    if (signal.aborted) break;
    hasFailed ||= reports.some((report) => report.total.failed > 0);
    say(summaryText(view, reports));
    say(closingText(view, reports));
    await writeJson(options, {
      firstRequestMs: mesh.firstRequestMs,
      members: view.members,
      reports,
    });
    if (options.isOnce) break;
    say(
      `  round ${round} is over; the next one begins in ${betweenRoundsMs / 1000} s, Ctrl-C ends`,
    );
    await pause(betweenRoundsMs, signal);
    mesh.forgetSamples();
  }
  return hasFailed;
}

function stageOf(
  mesh: DemoMesh,
  world: { readonly members: readonly DemoMember[]; readonly signal: AbortSignal },
): Stage {
  return {
    members: world.members,
    drain: mesh.drain,
    crash: mesh.crash,
    restart: mesh.restart,
    freezeGateway: (member: MemberName) => mesh.gateway(member).freeze(),
    thawGateway: (member: MemberName) => mesh.gateway(member).thaw(),
    rotation: mesh.rotation,
    samples: mesh.samples,
    epochMs: () => performance.timeOrigin + performance.now(),
    pause: (ms) => pause(ms, world.signal),
    isOver: () => world.signal.aborted,
  };
}

async function writeJson(
  options: DemoOptions,
  round: {
    readonly firstRequestMs: number;
    readonly members: readonly DemoMember[];
    readonly reports: readonly PhaseReport[];
  },
): Promise<void> {
  if (options.jsonFile === undefined) return;
  const document: DemoJson = {
    version,
    store: options.store.t,
    engine: options.engine,
    members: round.members.map(({ name }) => name),
    firstRequestMs: Math.round(round.firstRequestMs),
    totalMs: Math.round(performance.now()),
    phases: round.reports.map(phaseJson),
  };
  await writeFile(options.jsonFile, `${JSON.stringify(document, null, 2)}\n`);
}
