import { stripVTControlCharacters } from "node:util";
import type { Terminal } from "./command.ts";

export type Tone = "good" | "bad" | "warn" | "quiet" | "plain";

export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
}

export interface Column {
  readonly title: string;
  readonly align?: "right";
  /** Gives way first when the terminal is narrow; the last one with it set wraps nothing and is cut. */
  readonly isElastic?: true;
  /** Left out where the terminal is too narrow for all; the last such column goes first. */
  readonly isOptional?: true;
}

const tones: Readonly<Record<Tone, string>> = {
  good: "32",
  bad: "31",
  warn: "33",
  quiet: "90",
  plain: "",
};
const gap = 2;
const leastElastic = 8;
// A pipe has no width; a log line of this length is still readable.
const pipeColumns = 160;

/**
 * A table that fits the terminal: optional columns are left out first, then elastic ones are cut with
 * an ellipsis, the widest first.
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly (Cell | string)[])[],
  terminal: Pick<Terminal, "columns" | "isColourful">,
): string {
  const cells = rows.map((row) => row.map(cellOf));
  const available = terminal.columns ?? pipeColumns;
  const shown = shownColumns(columns, cells, available);
  const picked = shown.flatMap((index) => columns[index] ?? []);
  const body = cells.map((row) => shown.map((index) => row[index] ?? { text: "" }));
  const head = picked.map(({ title }): Cell => ({ text: title, tone: "quiet" }));
  const layout = {
    columns: picked,
    widths: fit(picked, body, available),
    isColourful: terminal.isColourful,
  };
  return `${[head, ...body].map((row) => line(row, layout)).join("\n")}\n`;
}

/** Indices of the columns that are shown. */
function shownColumns(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  available: number,
): readonly number[] {
  const widths = widthsOf(columns, rows);
  let shown = columns.map((_, index) => index);
  const total = (): number => shown.reduce((sum, index) => sum + (widths[index] ?? 0) + gap, -gap);
  while (total() > available) {
    const last = shown.findLast((index) => columns[index]?.isOptional === true);
    if (last === undefined) break;
    shown = shown.filter((index) => index !== last);
  }
  return shown;
}

function widthsOf(columns: readonly Column[], rows: readonly (readonly Cell[])[]): number[] {
  return columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => row[index]?.text.length ?? 0)),
  );
}

export function painted(cell: Cell, terminal: Pick<Terminal, "isColourful">): string {
  const tone = tones[cell.tone ?? "plain"];
  return terminal.isColourful && tone !== "" ? `\u001b[${tone}m${cell.text}\u001b[0m` : cell.text;
}

function fit(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  available: number,
): readonly number[] {
  const widths = widthsOf(columns, rows);
  const total = (): number => widths.reduce((sum, width) => sum + width + gap, -gap);
  while (total() > available) {
    const widest = widestElastic(columns, widths);
    if (widest === undefined) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

function widestElastic(columns: readonly Column[], widths: readonly number[]): number | undefined {
  let best: number | undefined;
  for (const [index, column] of columns.entries()) {
    const width = widths[index] ?? 0;
    if (column.isElastic !== true || width <= leastElastic) continue;
    if (best === undefined || width > (widths[best] ?? 0)) best = index;
  }
  return best;
}

function line(
  cells: readonly Cell[],
  layout: {
    readonly columns: readonly Column[];
    readonly widths: readonly number[];
    readonly isColourful: boolean;
  },
): string {
  const parts = cells.map((cell, index) => {
    const width = layout.widths[index] ?? 0;
    const isLast = index === cells.length - 1;
    const text = shortened(cell.text, width);
    const isRight = layout.columns[index]?.align === "right";
    const padded = isRight ? text.padStart(width) : isLast ? text : text.padEnd(width);
    return painted({ ...cell, text: padded }, layout);
  });
  return parts.join(" ".repeat(gap)).trimEnd();
}

function shortened(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

/** What others sent must not steer the terminal. */
function cellOf(cell: Cell | string): Cell {
  const { text, tone } = typeof cell === "string" ? { text: cell, tone: undefined } : cell;
  const clean = stripVTControlCharacters(text).replaceAll(/\p{Cc}/gu, " ");
  return tone === undefined ? { text: clean } : { text: clean, tone };
}
