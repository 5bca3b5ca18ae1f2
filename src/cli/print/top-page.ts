import type { LoadAnswer, LoadRowAnswer } from "../../app/api-model.ts";
import type { Terminal } from "../command.ts";
import { counted, placeOf, rttOf } from "./phrases.ts";
import { sparkline } from "./sparkline.ts";
import { type Cell, type Column, painted, table } from "./table.ts";

/** What `isthmus top` prints. `rows`: lines there are; the rest is counted. */
export function topPage(
  answer: LoadAnswer,
  terminal: Pick<Terminal, "columns" | "isColourful"> & { readonly rows?: number },
): string {
  const { member, reporters, seconds } = answer;
  const proxies = `${reporters === 1 ? "1 proxy reports" : `${reporters} proxies report`}`;
  const head = `${member}: ${proxies}, rates of the last ${counted(seconds, "second")}`;
  const title = painted({ text: head, tone: "quiet" }, terminal);
  const groups = groupsOf(answer.rows);
  if (groups.length === 0)
    return `${title}\n${reporters === 0 ? nobodyReports : "no traffic in the last minute"}\n`;
  const width = sparkWidth(terminal.columns);
  const cells = groups.flatMap((group) => groupRows(group, width));
  // The page's title, the table's and a line for what does not fit.
  const room = terminal.rows === undefined ? cells.length : Math.max(1, terminal.rows - 3);
  // Rows may take several lines in a narrow window, which must not scroll.
  const lines = table(columnsFor(terminal.columns), cells.slice(0, room), terminal).split("\n");
  const text = terminal.rows === undefined ? lines.join("\n") : linesOf(lines, room + 1);
  const left = cells.length - room;
  return `${title}\n${text}${left > 0 ? `… and ${left} more: name a service, or use a taller window\n` : ""}`;
}

function linesOf(lines: readonly string[], most: number): string {
  return `${lines.slice(0, most).join("\n").trimEnd()}\n`;
}

const wideColumns = 110;

/** In a narrow window the last ones make room first; what failed stays. */
function columnsFor(width: number | undefined): readonly Column[] {
  const isWide = (width ?? wideColumns) >= wideColumns;
  return [
    { title: "SERVICE", isElastic: true },
    { title: "LOCALITY", isElastic: true },
    { title: "/S", align: "right" },
    { title: "OK", align: "right" },
    { title: "OPEN", align: "right" },
    { title: isWide ? "CONNECT P50" : "P50", align: "right", isOptional: true },
    { title: "P99", align: "right" },
    { title: "FIRST BYTE P50", align: "right", isOptional: true },
    { title: "P99", align: "right", isOptional: true },
    { title: "RECEIVED", align: "right", isOptional: true },
    { title: "LAST MINUTE" },
    { title: "ERRORS", isElastic: true },
  ];
}

function sparkWidth(columns: number | undefined): number {
  if (columns === undefined || columns >= 150) return 30;
  return columns >= wideColumns ? 20 : 12;
}

/** Services by traffic, most first; a service's localities likewise. */
// Two agents of one member share its proxies.
const nobodyReports =
  "no proxy reports to this agent: ask its replica, if it has one; else isthmus proxy list";

function groupsOf(rows: readonly LoadRowAnswer[]): readonly (readonly LoadRowAnswer[])[] {
  const groups = new Map<string, LoadRowAnswer[]>();
  for (const row of rows) {
    const known = groups.get(row.service);
    if (known === undefined) groups.set(row.service, [row]);
    else known.push(row);
  }
  const rate = (row: LoadRowAnswer): number => row.begunPerSecond;
  const total = (group: readonly LoadRowAnswer[]): number =>
    group.reduce((sum, row) => sum + rate(row), 0);
  for (const group of groups.values()) group.sort((left, right) => rate(right) - rate(left));
  return [...groups.values()].sort((left, right) => total(right) - total(left));
}

function groupRows(group: readonly LoadRowAnswer[], width: number): (Cell | string)[][] {
  // One scale for all localities of a service: what one loses another gains.
  const most = Math.max(...group.flatMap((row) => [...row.begun]));
  return group.map((row, index) => [
    index === 0 ? row.service : "",
    localityOf(row),
    rateOf(row.begunPerSecond),
    okOf(row.successRatio),
    countOf(row.active),
    rttOf(row.connect?.p50Ms),
    rttOf(row.connect?.p99Ms),
    rttOf(row.firstByte?.p50Ms),
    rttOf(row.firstByte?.p99Ms),
    bytesOf(row.receivedBytesPerSecond),
    sparkline(row.begun, { width, most }),
    errorsOf(row),
  ]);
}

function localityOf({ member, zone, by }: LoadRowAnswer): Cell {
  if (member === "") return { text: "nobody", tone: "bad" };
  const place = zone === "gateway" ? `${member} gateways` : placeOf(member, zone);
  return by === "gateway" ? { text: `${place} for others`, tone: "quiet" } : { text: place };
}

function rateOf(perSecond: number): string {
  if (perSecond === 0) return "0";
  return perSecond < 10 ? perSecond.toFixed(1) : countOf(Math.round(perSecond));
}

/** `950`, `12.3k`, `4.1M` */
function countOf(count: number): string {
  if (count < 10_000) return String(count);
  return count < 1e6 ? `${(count / 1000).toFixed(1)}k` : `${(count / 1e6).toFixed(1)}M`;
}

/** Never rounded up: 100 % means that nothing failed. */
function okOf(ratio: number | undefined): Cell {
  if (ratio === undefined) return { text: "-", tone: "quiet" };
  const percent = Math.floor(ratio * 1000) / 10;
  const tone = ratio === 1 ? "plain" : ratio >= 0.99 ? "warn" : "bad";
  return { text: `${percent} %`, tone };
}

function bytesOf(perSecond: number): string {
  if (perSecond === 0) return "-";
  if (perSecond < 1000) return `${Math.round(perSecond)} B/s`;
  if (perSecond < 1e6) return `${(perSecond / 1000).toFixed(1)} kB/s`;
  return `${(perSecond / 1e6).toFixed(1)} MB/s`;
}

function errorsOf({ errors }: LoadRowAnswer): Cell {
  const shown = Object.entries(errors).map(([kind, count]) => `${countOf(count)} ${kind}`);
  // Callers that leave are no failure.
  const isBad = Object.keys(errors).some((kind) => kind !== "aborted");
  return { text: shown.join(", "), tone: isBad ? "bad" : "quiet" };
}
