import type { Terminal } from "../command.ts";

// What reads well; a pipe keeps whole sentences on one line for grep.
const maxColumns = 110;

/** A sentence in lines that fit the terminal, broken between words; ends with a line break. */
export function wrapped(
  text: string,
  layout: { readonly first: string; readonly indent: string },
  terminal: Pick<Terminal, "columns">,
): string {
  const columns =
    terminal.columns === undefined
      ? Number.POSITIVE_INFINITY
      : Math.min(terminal.columns, maxColumns);
  const lines: string[] = [];
  let line = layout.first;
  let isEmpty = true;
  for (const word of text.split(" ")) {
    if (!isEmpty && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = layout.indent;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line].map((one) => `${one}\n`).join("");
}
