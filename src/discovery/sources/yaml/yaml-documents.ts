/** One document of a YAML stream. */
export interface YamlDocument {
  /** Line of the first character of `text` in the stream, counted from 1. */
  readonly line: number;
  readonly text: string;
}

// YAML 1.2 section 9.1.2: these markers at the start of a line end a document even inside a quoted or
// block scalar, so cutting the stream into lines is exact and one broken document harms no other.
const marker = /^(?:---|\.\.\.)(?=[ \t\r\n]|$)/gm;

/** Cuts a stream into its documents; those with nothing but comments and directives are left out. */
export function splitDocuments(stream: string): YamlDocument[] {
  const text = stream.startsWith("\uFEFF") ? stream.slice(1) : stream;
  const documents: YamlDocument[] = [];
  let start = 0;
  let line = 1;
  const cut = (end: number): void => {
    const part = text.slice(start, end);
    if (!isBlankText(part)) documents.push({ line, text: part });
    line += countLines(part);
  };
  for (const match of text.matchAll(marker)) {
    cut(match.index);
    start = match.index + match[0].length;
  }
  cut(text.length);
  return documents;
}

/** True for blank lines, comments and directives, however many. */
function isBlankText(text: string): boolean {
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf("\n", at);
    const line = text.slice(at, end < 0 ? text.length : end).trim();
    if (line !== "" && !line.startsWith("#") && text[at] !== "%") return false;
    if (end < 0) return true;
    at = end + 1;
  }
  return true;
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++;
  return count;
}
