import { isSpecialWord, NotPlain, readInline } from "./plain-value.ts";

/**
 * Reads the plain YAML that people and tools write for Kubernetes: block maps and lists, one-line flow
 * collections, scalars on one line, literal blocks. It exists for speed: ten times the full parser's,
 * which lets an agent start with thousands of services. Whatever it is not sure about it leaves to
 * that parser, so it must never accept a text that the full one reads differently; a test compares
 * the two on generated documents.
 */
export function readPlainYaml(text: string): { readonly value: unknown } | undefined {
  if (strangeCharacter.test(text)) return undefined;
  const rows = text.split("\n");
  const lines = linesOf(rows);
  const first = lines[0];
  if (first === undefined) return undefined;
  const cursor = { rows, lines, at: 0 };
  try {
    const value = readBlock(cursor, { indent: first.indent, depth: 0 });
    return cursor.at === lines.length ? { value } : undefined;
  } catch (thrown) {
    if (thrown instanceof NotPlain) return undefined;
    throw thrown;
  }
}

/** A line with content, without its indentation and comment. */
interface Line {
  /** Its place in the text, counted from 0. */
  readonly row: number;
  readonly indent: number;
  readonly text: string;
}

interface Cursor {
  /** The whole text: literal blocks keep what other values do not. */
  readonly rows: readonly string[];
  readonly lines: Line[];
  at: number;
}

interface Position {
  readonly indent: number;
  readonly depth: number;
}

const maxDepth = 32;
// Tabs, carriage returns, control characters and Unicode's blanks have rules of their own.
const strangeCharacter =
  /[^\n\x20-\x7e\u00a1-\u167f\u2010-\u2027\u2030-\u205e\u3001-\ud7ff\ue000-\ufefe]/;
const keyStart = /^(?:([A-Za-z][A-Za-z0-9_./-]*)|"([^"\\]+)"|'([^']+)'):(?: +|$)/;

function linesOf(rows: readonly string[]): Line[] {
  const lines: Line[] = [];
  for (const [row, raw] of rows.entries()) {
    const text = raw.trim();
    if (text !== "" && !text.startsWith("#")) lines.push({ row, indent: indentOf(raw), text });
  }
  return lines;
}

function indentOf(row: string): number {
  return row.length - row.trimStart().length;
}

function isItem(text: string): boolean {
  return text === "-" || text.startsWith("- ");
}

function readBlock(cursor: Cursor, position: Position): unknown {
  if (position.depth > maxDepth) throw new NotPlain();
  const line = cursor.lines[cursor.at];
  if (line !== undefined && isItem(line.text)) return readList(cursor, position);
  if (line !== undefined && keyStart.test(line.text)) return readMap(cursor, position);
  throw new NotPlain();
}

function readList(cursor: Cursor, { indent, depth }: Position): unknown[] {
  const items: unknown[] = [];
  for (;;) {
    const line = cursor.lines[cursor.at];
    if (line === undefined || line.indent < indent) return items;
    if (line.indent > indent) throw new NotPlain();
    if (!isItem(line.text)) return items;
    const rest = line.text.slice(1).trimStart();
    if (isItem(rest)) throw new NotPlain();
    if (keyStart.test(rest)) {
      // A map that starts behind the dash goes on in lines indented like its first key.
      const inner = { row: line.row, indent: indent + line.text.length - rest.length, text: rest };
      cursor.lines[cursor.at] = inner;
      items.push(readMap(cursor, { indent: inner.indent, depth: depth + 1 }));
    } else {
      cursor.at += 1;
      items.push(readValue(cursor, { text: rest, indent, depth, listIndent: indent + 1 }));
    }
  }
}

function readMap(cursor: Cursor, { indent, depth }: Position): Record<string, unknown> {
  if (depth > maxDepth) throw new NotPlain();
  const map: Record<string, unknown> = {};
  for (;;) {
    const line = cursor.lines[cursor.at];
    if (line === undefined || line.indent < indent) return map;
    if (line.indent > indent) throw new NotPlain();
    if (isItem(line.text)) return map;
    const match = keyStart.exec(line.text);
    const key = match?.[1] ?? match?.[2] ?? match?.[3];
    if (match === null || key === undefined) throw new NotPlain();
    if (key === "__proto__" || key === "<<" || isSpecialWord(key) || Object.hasOwn(map, key)) {
      throw new NotPlain();
    }
    cursor.at += 1;
    const text = line.text.slice(match[0].length);
    // "key:" may be followed by a list in the key's own column.
    map[key] = readValue(cursor, { text, indent, depth, listIndent: indent });
  }
}

interface ValuePosition extends Position {
  /** What stands behind the key or the dash. */
  readonly text: string;
  /** The least indentation that a list below may have. */
  readonly listIndent: number;
}

function readValue(cursor: Cursor, { text, indent, depth, listIndent }: ValuePosition): unknown {
  if (text === "|" || text === "|-")
    return readLiteral(cursor, { indent, isStripped: text === "|-" });
  const next = cursor.lines[cursor.at];
  const isDeeper = next !== undefined && next.indent > indent;
  if (text !== "" && !text.startsWith("#")) {
    // A scalar that goes on in the next line.
    if (isDeeper) throw new NotPlain();
    return readInline(text);
  }
  if (next === undefined) return null;
  const isList = isItem(next.text) && next.indent >= listIndent;
  if (!isDeeper && !isList) return null;
  return readBlock(cursor, { indent: next.indent, depth: depth + 1 });
}

/** The rows below that are indented deeper, as they stand. Source: YAML 1.2.2 section 8.1.2. */
function readLiteral(
  cursor: Cursor,
  { indent, isStripped }: { readonly indent: number; readonly isStripped: boolean },
): string {
  const { rows, lines } = cursor;
  const start = (lines[cursor.at - 1]?.row ?? 0) + 1;
  const first = rows[start] ?? "";
  const column = indentOf(first);
  if (first.trim() === "" || column <= indent) throw new NotPlain();
  let end = start;
  while (isWithin(rows[end], column)) end += 1;
  const next = rows[end];
  // Rows between the two columns are a mistake or a comment, and a text that ends without a line end
  // is a case of its own.
  if (next === undefined || (next.trim() !== "" && indentOf(next) > indent)) throw new NotPlain();
  while ((lines[cursor.at]?.row ?? end) < end) cursor.at += 1;
  const content = rows.slice(start, end).map((row) => row.slice(column));
  while (content.at(-1) === "") content.pop();
  return `${content.join("\n")}${isStripped ? "" : "\n"}`;
}

function isWithin(row: string | undefined, column: number): boolean {
  return row !== undefined && (row.trim() === "" || indentOf(row) >= column);
}
