/** `npm run faults:catalog [-- --json] [-- --only NAME,NAME]`: what each fault did, measured. */
import { parseArgs } from "node:util";
import { catalogFaults } from "./all-faults.ts";
import { type Fault, faultsAtOnce, type Outcome, targetMs } from "./support/fault.ts";

interface Row {
  readonly fault: Fault;
  readonly outcome: Outcome | { readonly failure: string };
}

const { values } = parseArgs({
  options: { json: { type: "boolean" }, only: { type: "string" } },
});
const wanted = values.only?.split(",");
const chosen = catalogFaults.filter(({ name }) => wanted?.includes(name) ?? true);
const unknown = wanted?.filter((name) => !catalogFaults.some((fault) => fault.name === name)) ?? [];
if (unknown.length > 0) {
  process.stderr.write(
    `Cannot run "${unknown.join(", ")}": there are ${catalogFaults.map(({ name }) => name).join(", ")}\n`,
  );
  process.exit(2);
}
const rows = await runAll(chosen);
if (values.json === true) process.stdout.write(`${JSON.stringify(rows.map(plain), null, 2)}\n`);
process.exitCode = rows.every(isGood) ? 0 : 1;

async function runAll(faults: readonly Fault[]): Promise<readonly Row[]> {
  const queue = [...faults];
  const rows: Row[] = [];
  if (values.json !== true) process.stdout.write(headline());
  const worker = async (): Promise<void> => {
    for (let fault = queue.shift(); fault !== undefined; fault = queue.shift()) {
      const row = { fault, outcome: await outcomeOf(fault) };
      rows.push(row);
      if (values.json !== true) process.stdout.write(lineOf(row));
    }
  };
  await Promise.all(Array.from({ length: faultsAtOnce }, worker));
  return rows;
}

async function outcomeOf(fault: Fault): Promise<Row["outcome"]> {
  try {
    return await fault.run();
  } catch (thrown) {
    return { failure: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}

function isGood({ outcome }: Row): boolean {
  if ("failure" in outcome) return false;
  const { lost, wronglyRemoved, wentBack, requests, backInStepMs } = outcome;
  const broken = lost.length + wronglyRemoved.length + wentBack.length + (requests?.failed ?? 0);
  return broken === 0 && backInStepMs <= targetMs;
}

function headline(): string {
  return `${"fault".padEnd(62)} ${"in step".padStart(9)} ${"lost".padStart(5)} ${"removed".padStart(8)} ${"changes".padStart(8)} ${"requests failed".padStart(16)}\n`;
}

function lineOf(row: Row): string {
  const { fault, outcome } = row;
  const title = fault.title.padEnd(62);
  if ("failure" in outcome) return `${title} FAILED: ${outcome.failure}\n`;
  const { lost, wronglyRemoved, wentBack, changes, requests } = outcome;
  const cells = [
    `${(outcome.backInStepMs / 1000).toFixed(2)} s`.padStart(9),
    String(lost.length).padStart(5),
    String(wronglyRemoved.length + wentBack.length).padStart(8),
    String(changes).padStart(8),
    (requests === undefined ? "" : `${requests.failed} of ${requests.sent}`).padStart(16),
  ];
  const details = [...lost, ...wronglyRemoved, ...wentBack]
    .slice(0, 3)
    .map((one) => `    ${one}\n`);
  return `${title} ${cells.join(" ")}${isGood(row) ? "" : "  MISSED"}\n${details.join("")}`;
}

function plain({ fault, outcome }: Row): object {
  return { name: fault.name, title: fault.title, ...outcome };
}
