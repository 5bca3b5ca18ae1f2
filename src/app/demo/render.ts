import type { DemoMember } from "./demo-members.ts";
import { memberTone, type Paint, painter, type Screen } from "./paint.ts";
import type { Tally } from "./samples.ts";
import type { SitePlan } from "./site-plan.ts";

/** One phase as it is told to people and written to JSON. */
export interface PhaseReport {
  readonly name: string;
  readonly title: string;
  readonly total: Tally;
  readonly byCaller: readonly { readonly caller: string; readonly tally: Tally }[];
  /** From mending to the last answer from elsewhere; undefined when nothing was mended. */
  readonly homeMs?: number | undefined;
}

interface Stage {
  readonly screen: Screen;
  readonly members: readonly DemoMember[];
}

const minWidth = 72;

export function bannerText(
  stage: Stage,
  what: { readonly version: string; readonly sites: readonly SitePlan[] },
): string {
  const paint = painter(stage.screen);
  const lines = what.sites.map(({ member, workloads }, index) => {
    const name = paint(member.name.padEnd(16), memberTone(index));
    const place = `${member.cloud.padEnd(7)} ${member.region.padEnd(13)}`;
    const services = [...new Set(workloads.map(({ service }) => service))].join(" ");
    return `  ${name} ${place} ${paint(fit(services, widthOf(stage) - 42), "dim")}`;
  });
  const title = `${paint("isthmus", "bold")} ${what.version}  one mesh, ${stage.members.length} members, this machine`;
  return [title, "", ...lines, ""].join("\n");
}

/** `✓ what ………… 0.3 s` */
export function stepText(
  stage: Stage,
  step: { readonly what: string; readonly elapsedMs: number },
): string {
  const paint = painter(stage.screen);
  const time = `${(step.elapsedMs / 1000).toFixed(1)} s`;
  const what = fit(step.what, widthOf(stage) - time.length - 6);
  const gap = " ".repeat(Math.max(1, widthOf(stage) - 4 - what.length - time.length));
  return `  ${paint("✓", "good")} ${what}${gap}${paint(time, "dim")}`;
}

/** Where a curious person looks next, while it runs. */
export function mapText(stage: Stage, urls: readonly string[]): string {
  const paint = painter(stage.screen);
  const [url = ""] = urls;
  return `\n  ${paint("look around", "dim")}  isthmus members --agent ${url}`;
}

export function phaseHeading(
  stage: Stage,
  phase: { readonly number: number; readonly name: string; readonly title: string },
): string {
  const paint = painter(stage.screen);
  const title = fit(phase.title, widthOf(stage) - 2);
  return `\n${paint(`${phase.number} ${phase.name}`, "bold")}\n  ${title}`;
}

const columns = "requests failed  cut      p50      p99";

export function phaseText(stage: Stage, report: PhaseReport): string {
  const paint = painter(stage.screen);
  const barWidth = widthOf(stage) - 2 - 18 - 2 - columns.length - 2;
  const head = paint(
    `  ${"caller".padEnd(18)}${"served by".padEnd(barWidth + 2)}  ${columns}`,
    "dim",
  );
  const rows = report.byCaller.map(({ caller, tally }) => {
    const index = stage.members.findIndex((member) => member.name === caller);
    const bar = servedBar(stage, { tally, width: barWidth, paint });
    return `  ${paint(caller.padEnd(18), memberTone(index))}${bar}    ${countsText(tally, paint)}`;
  });
  const why = Object.entries(report.total.failures).map(([text, count]) =>
    paint(fit(`  ${count} × ${text}`, widthOf(stage)), "bad"),
  );
  return [head, ...rows, `  ${verdictText(report, paint)}`, ...why].join("\n");
}

function countsText(tally: Tally, paint: Paint): string {
  const failed = String(tally.failed).padStart(6);
  const cut = String(tally.cut).padStart(4);
  return [
    String(tally.requests).padStart(8),
    tally.failed === 0 ? failed : paint(failed, "bad"),
    tally.cut === 0 ? cut : paint(cut, "warn"),
    msText(tally.p50Ms).padStart(8),
    msText(tally.p99Ms).padStart(8),
  ].join(" ");
}

// Where there is no colour, members differ by how dense their blocks are.
const shades = ["█", "▒", "▓", "░", "▌", "▚"] as const;
const labelWidth = "onprem 100%".length;

/** The members' shares as blocks, then the largest by name. */
function servedBar(
  stage: Stage,
  bar: { readonly tally: Tally; readonly width: number; readonly paint: Paint },
): string {
  const { servedBy } = bar.tally;
  const total = sumOf(servedBy);
  if (total === 0) return bar.paint("nobody".padEnd(bar.width), "bad");
  const blocks = shares(stage, { servedBy, width: bar.width - labelWidth - 1 }).map(
    ({ index, cells }) => {
      const shade = stage.screen.hasColour ? shades[0] : (shades[index % shades.length] ?? "█");
      return bar.paint(shade.repeat(cells), memberTone(index));
    },
  );
  const [name = "", count = 0] = largest(servedBy);
  const label = `${short(name)} ${Math.round((100 * count) / total)}%`;
  return `${blocks.join("")} ${fit(label, labelWidth).padEnd(labelWidth)}`;
}

function sumOf(servedBy: Tally["servedBy"]): number {
  return Object.values(servedBy).reduce((sum, count) => sum + count, 0);
}

function shares(
  stage: Stage,
  bar: { readonly servedBy: Tally["servedBy"]; readonly width: number },
): { readonly index: number; readonly cells: number }[] {
  const total = sumOf(bar.servedBy);
  let before = 0;
  return stage.members.map((member, index) => {
    const start = Math.round((before / total) * bar.width);
    before += bar.servedBy[member.name] ?? 0;
    return { index, cells: Math.round((before / total) * bar.width) - start };
  });
}

function largest(servedBy: Tally["servedBy"]): [string, number] | [] {
  return Object.entries(servedBy).toSorted((a, b) => b[1] - a[1])[0] ?? [];
}

function verdictText({ total: tally, homeMs }: PhaseReport, paint: Paint): string {
  const home = homeMs === undefined ? [] : [`home again after ${msText(homeMs)}`];
  const moved = tally.movedMs === undefined ? [] : [`moved in ${msText(tally.movedMs)}`];
  const failed =
    tally.failed === 0 ? paint("nothing failed", "good") : paint(`${tally.failed} failed`, "bad");
  const cut = tally.cut === 0 ? "nothing cut" : `${tally.cut} in flight were cut`;
  return [...moved, ...home, failed, cut].join(", ");
}

// A narrower column would cut the shares off; each phase has shown them already.
const leastServedWidth = 30;

export function summaryText(stage: Stage, reports: readonly PhaseReport[]): string {
  const paint = painter(stage.screen);
  const servedWidth = widthOf(stage) - 28 - columns.length;
  const isWide = servedWidth >= leastServedWidth;
  const served = isWide ? "  served by" : "";
  const head = paint(`  ${"phase".padEnd(14)} ${columns}    moved${served}`, "dim");
  const rows = reports.map(({ name, total }) => {
    const moved = (total.movedMs === undefined ? "–" : msText(total.movedMs)).padStart(8);
    const by = isWide ? `  ${fit(servedText(total), servedWidth)}` : "";
    return `  ${name.padEnd(14)} ${countsText(total, paint)} ${moved}${by}`;
  });
  return ["", paint("what it cost", "bold"), head, ...rows, ""].join("\n");
}

function servedText(tally: Tally): string {
  const total = sumOf(tally.servedBy);
  const parts = Object.entries(tally.servedBy).toSorted((a, b) => b[1] - a[1]);
  return parts
    .map(([name, count]) => `${short(name)} ${Math.round((100 * count) / total)}%`)
    .join(" ");
}

/** `eks-us-east-1` → `eks`: a column has no room for more. */
function short(member: string): string {
  return member.split("-")[0] ?? member;
}

export function closingText(stage: Stage, reports: readonly PhaseReport[]): string {
  const paint = painter(stage.screen);
  const sum = (pick: (tally: Tally) => number): number =>
    reports.reduce((total, report) => total + pick(report.total), 0);
  const failed = sum((tally) => tally.failed);
  const cut = sum((tally) => tally.cut);
  const mark = failed === 0 ? paint("✓", "good") : paint("✗", "bad");
  const requests = sum((tally) => tally.requests).toLocaleString("en-US");
  const tail = cut === 0 ? "" : `, ${cut} in flight on what a phase itself ended`;
  return `${mark} ${requests} requests, ${failed} failed${tail}`;
}

function msText(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`;
  return ms >= 100 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}

function widthOf(stage: Stage): number {
  return Math.max(minWidth, Math.min(stage.screen.width, 132));
}

function fit(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
