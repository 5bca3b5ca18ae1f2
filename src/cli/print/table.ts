import { stripVTControlCharacters } from "node:util";
import type { Terminal } from "../command.ts";
import { cellLines, leastWidth } from "./cell-lines.ts";

export type Tone = "good" | "bad" | "warn" | "quiet" | "plain";

export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
}

export interface Column {
  readonly title: string;
  readonly align?: "right";
  /** Goes on in the next line where the terminal is narrow: between words, then inside of them. */
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
 * A table that fits the terminal: optional columns are left out first, then elastic ones are wrapped,
 * the widest first. Nothing is cut, because names are there to be typed again.
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

/** Elastic columns give way in rounds: down to their longest word, its longest part, any width. */
function fit(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  available: number,
): readonly number[] {
  const widths = widthsOf(columns, rows);
  const floors = (unit: "word" | "part"): readonly number[] =>
    columns.map(({ title }, index) =>
      Math.max(
        leastElastic,
        title.length,
        ...rows.map((row) => leastWidth(row[index]?.text ?? "", unit)),
      ),
    );
  const rounds = [floors("word"), floors("part"), columns.map(() => leastElastic)];
  for (const least of rounds) shrink(widths, { columns, least, available });
  return widths;
}

function shrink(
  widths: number[],
  limits: {
    readonly columns: readonly Column[];
    readonly least: readonly number[];
    readonly available: number;
  },
): void {
  const total = (): number => widths.reduce((sum, width) => sum + width + gap, -gap);
  while (total() > limits.available) {
    const widest = widestElastic(widths, limits);
    if (widest === undefined) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}

function widestElastic(
  widths: readonly number[],
  limits: { readonly columns: readonly Column[]; readonly least: readonly number[] },
): number | undefined {
  let best: number | undefined;
  for (const [index, column] of limits.columns.entries()) {
    const width = widths[index] ?? 0;
    if (column.isElastic !== true || width <= (limits.least[index] ?? 0)) continue;
    if (best === undefined || width > (widths[best] ?? 0)) best = index;
  }
  return best;
}

interface Layout {
  readonly columns: readonly Column[];
  readonly widths: readonly number[];
  readonly isColourful: boolean;
}

/** One row, in as many lines as its longest cell. */
function line(cells: readonly Cell[], layout: Layout): string {
  const wrapped = cells.map(({ text }, index) => cellLines(text, layout.widths[index] ?? 0));
  const height = Math.max(1, ...wrapped.map((lines) => lines.length));
  return Array.from({ length: height }, (_, at) => {
    const slice = cells.map((cell, index) => ({ ...cell, text: wrapped[index]?.[at] ?? "" }));
    return oneLine(slice, layout);
  }).join("\n");
}

function oneLine(cells: readonly Cell[], layout: Layout): string {
  const parts = cells.map((cell, index) => {
    const width = layout.widths[index] ?? 0;
    const isRight = layout.columns[index]?.align === "right";
    // Whatever follows is spaces, and no line ends with those.
    const isLast = cells.slice(index + 1).every(({ text }) => text === "");
    const padded = isRight
      ? cell.text.padStart(width)
      : isLast
        ? cell.text
        : cell.text.padEnd(width);
    return padded.trim() === "" ? padded : painted({ ...cell, text: padded }, layout);
  });
  return parts.join(" ".repeat(gap)).trimEnd();
}

/** What others sent must not steer the terminal. */
function cellOf(cell: Cell | string): Cell {
  const { text, tone } = typeof cell === "string" ? { text: cell, tone: undefined } : cell;
  // Format characters reorder or hide what stands beside them.
  const clean = stripVTControlCharacters(text).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, " ");
  return tone === undefined ? { text: clean } : { text: clean, tone };
}
