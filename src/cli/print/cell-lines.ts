// Where an identifier may go on in the next line and still be read as one.
const separators = ["/", ".", "-", ":", ",", "_", "@", "}"];
const words = /\S+/g;

/** The narrowest width at which no word is broken, or no part of an identifier. */
export function leastWidth(text: string, unit: "word" | "part"): number {
  const pieces = unit === "word" ? text.match(words) : text.match(/[^\s/.\-:,_@}]*[/.\-:,_@}]?/g);
  return Math.max(0, ...(pieces ?? []).map((piece) => piece.length));
}

/** A cell in lines of at most so many characters. Nothing is left out: what was cut cannot be copied. */
export function cellLines(text: string, width: number): readonly string[] {
  if (text.length <= width) return [text];
  const lines: string[] = [];
  let line = "";
  for (const word of text.match(words) ?? []) {
    const joined = line === "" ? word : `${line} ${word}`;
    if (joined.length <= width) {
      line = joined;
      continue;
    }
    if (line !== "") lines.push(line);
    const pieces = brokenWord(word, width);
    lines.push(...pieces.slice(0, -1));
    line = pieces.at(-1) ?? "";
  }
  return line === "" && lines.length > 0 ? lines : [...lines, line];
}

function brokenWord(word: string, width: number): readonly string[] {
  const pieces: string[] = [];
  let rest = word;
  while (rest.length > width) {
    const end = lastSeparator(rest.slice(0, width)) + 1 || width;
    pieces.push(rest.slice(0, end));
    rest = rest.slice(end);
  }
  return [...pieces, rest];
}

function lastSeparator(text: string): number {
  return Math.max(...separators.map((separator) => text.lastIndexOf(separator)));
}
