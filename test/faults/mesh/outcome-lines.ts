import type { Outcome } from "./run-fault.ts";
import { judge } from "./targets.ts";

interface Column {
  readonly title: string;
  readonly width: number;
  readonly cell: (outcome: Outcome) => number | string;
}

const columns: readonly Column[] = [
  { title: "fault", width: -22, cell: ({ name }) => name },
  { title: "requests", width: 9, cell: ({ http }) => http.requests },
  { title: "idem.failed", width: 12, cell: ({ http }) => http.idempotentFailed },
  { title: "others failed", width: 14, cell: ({ http }) => http.othersFailed },
  { title: "in flight", width: 10, cell: ({ http }) => http.inFlight },
  { title: "late", width: 6, cell: ({ http }) => http.late },
  { title: "p99.9", width: 7, cell: ({ http }) => whole(http.p999) },
  { title: "worst", width: 7, cell: ({ http }) => whole(http.worst) },
  { title: "blackout", width: 9, cell: ({ http }) => whole(http.blackout) },
  { title: "moved", width: 7, cell: ({ http }) => whole(http.moved) },
  { title: "steady", width: 7, cell: ({ http }) => whole(http.steady) },
  { title: "back", width: 7, cell: backOf },
  { title: "TCP failed", width: 11, cell: ({ tcpNew }) => tcpNew.laterFailed },
  { title: "worst", width: 7, cell: ({ tcpNew }) => whole(tcpNew.worst) },
  { title: "old closed", width: 11, cell: ({ tcpHeld }) => whole(tcpHeld.steady) },
  // How late the load's own process was: no time above is better known than that.
  { title: "own lag", width: 8, cell: ({ lagMs }) => whole(lagMs) },
];

export function headline(): string {
  return `${columns.map(({ title, width }) => pad(title, width)).join("")}\n`;
}

/** One outcome, and below it what it missed and why requests failed. */
export function lineOf(outcome: Outcome, title: string): string {
  const cells = columns.map(({ width, cell }) => pad(String(cell(outcome)), width));
  const missed = judge(outcome)
    .filter(({ isMet }) => !isMet)
    .map(({ what, value, limit }) => `${what} ${whole(value)} > ${whole(limit)}`);
  const verdict = missed.length === 0 ? "as it must be" : `missed: ${missed.join("; ")}`;
  const failures = Object.entries(outcome.http.failures).map(
    ([reason, count]) => `    ${count} × ${reason}\n`,
  );
  return `${cells.join("")}\n    ${title}: ${verdict}\n${failures.join("")}`;
}

function backOf({ http, struckShare }: Outcome): string {
  if (struckShare <= 0) return "–";
  return http.back === undefined ? "never" : whole(http.back);
}

function whole(value: number): string {
  return Number.isFinite(value) ? String(Math.round(value)) : "never";
}

function pad(text: string, width: number): string {
  return width < 0 ? text.padEnd(-width) : text.padStart(width);
}
