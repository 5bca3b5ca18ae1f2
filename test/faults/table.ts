/** `npm run faults:catalog [-- --json] [-- --only NAME,NAME]`: what came of each fault, measured. */
import { parseArgs } from "node:util";
import { whyNoRegions } from "../support/regions/regions.ts";
import { catalogFaults } from "./all-faults.ts";
import { regionFaults } from "./scenarios/region-faults.ts";
import { runTrafficFault, trafficFaults } from "./scenarios/traffic-faults.ts";
import { type Fault, faultsAtOnce, type Outcome, targetMs } from "./support/fault.ts";
import { openTrafficMesh } from "./support/traffic-mesh.ts";

interface Row {
  readonly name: string;
  readonly title: string;
  readonly result: { readonly t: "outcome"; readonly outcome: Outcome } | Failure;
}

interface Failure {
  readonly t: "failure";
  readonly reason: string;
}

const { values } = parseArgs({
  options: { json: { type: "boolean" }, only: { type: "string" } },
});
const isJson = values.json === true;
const wanted = values.only?.split(",");
const all = [...catalogFaults, ...regionFaults, ...trafficFaults].map(({ name }) => name);
const unknown = wanted?.filter((name) => !all.includes(name)) ?? [];
const titleWidth = 68;

if (unknown.length > 0) {
  process.stderr.write(`Cannot run "${unknown.join(", ")}": there are ${all.join(", ")}\n`);
  process.exitCode = 2;
} else {
  const rows = await runAll();
  if (isJson) process.stdout.write(`${JSON.stringify(rows.map(plain), null, 2)}\n`);
  process.exitCode = rows.every(isGood) ? 0 : 1;
}

async function runAll(): Promise<readonly Row[]> {
  if (!isJson) process.stdout.write(headline());
  const missing = whyNoRegions();
  if (missing !== undefined) process.stderr.write(`Left out what needs regions: ${missing}\n`);
  // Side by side while they only wait; those with many processes by themselves.
  return [
    ...(await runSome(catalogFaults, faultsAtOnce)),
    ...(await runSome(missing === undefined ? regionFaults : [], 1)),
    ...(await runUnderTraffic()),
  ];
}

async function runSome(faults: readonly Fault[], atOnce: number): Promise<readonly Row[]> {
  const queue = faults.filter(isWanted);
  const rows: Row[] = [];
  const worker = async (): Promise<void> => {
    for (let fault = queue.shift(); fault !== undefined; fault = queue.shift()) {
      rows.push(await rowOf(fault, fault.run));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return rows;
}

async function runUnderTraffic(): Promise<readonly Row[]> {
  const chosen = trafficFaults.filter(isWanted);
  if (chosen.length === 0) return [];
  await using mesh = await openTrafficMesh();
  const rows: Row[] = [];
  for (const fault of chosen) rows.push(await rowOf(fault, () => runTrafficFault(mesh, fault)));
  return rows;
}

function isWanted({ name }: { readonly name: string }): boolean {
  return wanted?.includes(name) ?? true;
}

async function rowOf(
  { name, title }: { readonly name: string; readonly title: string },
  run: () => Promise<Outcome>,
): Promise<Row> {
  const row: Row = { name, title, result: await resultOf(run) };
  if (!isJson) process.stdout.write(linesOf(row));
  return row;
}

async function resultOf(run: () => Promise<Outcome>): Promise<Row["result"]> {
  try {
    return { t: "outcome", outcome: await run() };
  } catch (thrown) {
    return { t: "failure", reason: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}

function isGood({ result }: Row): boolean {
  if (result.t === "failure") return false;
  const { outcome } = result;
  return brokenIn(outcome).length === 0 && outcome.backInStepMs <= targetMs;
}

function brokenIn({ lost, wronglyRemoved, wentBack, requests }: Outcome): readonly string[] {
  return [...lost, ...wronglyRemoved, ...wentBack, ...(requests?.reasons ?? [])];
}

function headline(): string {
  return lineFrom("fault", ["in step", "lost", "removed", "changes", "requests failed"]);
}

function linesOf(row: Row): string {
  const { title, result } = row;
  if (result.t === "failure") return `${title.padEnd(titleWidth)} FAILED: ${result.reason}\n`;
  const { outcome } = result;
  const { requests } = outcome;
  const line = lineFrom(title, [
    `${(outcome.backInStepMs / 1000).toFixed(2)} s`,
    outcome.lost.length,
    outcome.wronglyRemoved.length + outcome.wentBack.length,
    outcome.changes,
    requests === undefined ? "–" : `${requests.failed} of ${requests.sent}`,
  ]);
  const details = brokenIn(outcome).slice(0, 3);
  const late = outcome.backInStepMs > targetMs ? ["later than the target"] : [];
  const note = outcome.note === undefined ? [] : [outcome.note];
  return [line, ...[...note, ...details, ...late].map((detail) => `    ${detail}\n`)].join("");
}

function lineFrom(title: string, cells: readonly (number | string)[]): string {
  const widths = [9, 6, 9, 9, 17];
  const padded = cells.map((cell, index) => String(cell).padStart(widths[index] ?? 0));
  return `${title.padEnd(titleWidth)}${padded.join("")}\n`;
}

function plain({ name, title, result }: Row): object {
  return { name, title, ...(result.t === "failure" ? { failure: result.reason } : result.outcome) };
}
