/** Cuts a stream of bytes into lines of bounded length. */
export interface LineSplitter {
  /** The lines that end in this chunk, without their ends; `tooLong` stands for one that was dropped. */
  readonly push: (chunk: Uint8Array) => readonly Line[];
}

export type Line =
  | { readonly t: "line"; readonly text: string }
  | { readonly t: "tooLong"; readonly bytes: number };

const newline = 10;
const decoder = new TextDecoder();

/** A line of more than `maxBytes` is read past and never kept. */
export function createLineSplitter(maxBytes: number): LineSplitter {
  let parts: Uint8Array[] = [];
  let bytes = 0;

  const keep = (part: Uint8Array): void => {
    bytes += part.length;
    if (bytes > maxBytes) parts = [];
    else if (part.length > 0) parts.push(part);
  };
  const finish = (): Line | undefined => {
    const line = lineOf(parts, bytes, maxBytes);
    parts = [];
    bytes = 0;
    return line;
  };
  return {
    push(chunk) {
      const lines: Line[] = [];
      let start = 0;
      for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
        keep(chunk.subarray(start, end));
        const line = finish();
        if (line !== undefined) lines.push(line);
        start = end + 1;
      }
      keep(chunk.subarray(start));
      return lines;
    },
  };
}

/** Undefined for an empty line. */
function lineOf(parts: readonly Uint8Array[], bytes: number, maxBytes: number): Line | undefined {
  if (bytes === 0) return undefined;
  if (bytes > maxBytes) return { t: "tooLong", bytes };
  const [first, ...others] = parts;
  if (first !== undefined && others.length === 0) return { t: "line", text: decoder.decode(first) };
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return { t: "line", text: decoder.decode(whole) };
}
