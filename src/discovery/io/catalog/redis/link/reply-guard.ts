/**
 * Judges the bytes of a server before the client library sees them: a hub is not trusted, and the
 * library takes lengths, nesting and replies that nobody asked for at their word (an unasked null ends
 * the process). Only headers are read; what lies in between is skipped.
 * Source: redis.io/docs, "Redis serialization protocol", RESP2.
 */
export interface ReplyGuard {
  /** Undefined: the bytes may pass. Otherwise why the connection has to be cut. */
  readonly judge: (chunk: Buffer) => string | undefined;
  /** How many replies have been completed. */
  readonly replies: () => number;
}

export interface ReplyLimits {
  /** One reply with all that is in it. */
  readonly maxBytes: number;
  /** Elements of all lists of one reply. */
  readonly maxElements: number;
  readonly maxDepth: number;
}

/** The longest line that a server may send: error replies, mostly. */
const maxLineBytes = 8192;
const [carriageReturn, lineFeed] = [13, 10];
const code = { simple: 43, error: 45, integer: 58, bulk: 36, list: 42 } as const;
const types: ReadonlySet<number> = new Set(Object.values(code));

type Place =
  | { readonly t: "type" }
  | { readonly t: "line"; readonly type: number; readonly text: string }
  /** Inside a string, or at the two bytes that end it. */
  | { readonly t: "body"; readonly left: number };

/** `asked` says how many replies are owed, counted from the connection's beginning. */
export function createReplyGuard(limits: ReplyLimits, asked: () => number): ReplyGuard {
  let place: Place = { t: "type" };
  let bytes = 0;
  let elements = 0;
  let done = 0;
  /** For each open list: elements still to come. */
  const open: number[] = [];

  const finishValue = (): void => {
    place = { t: "type" };
    for (;;) {
      const left = open.pop();
      if (left === undefined) {
        done += 1;
        bytes = 0;
        elements = 0;
        return;
      }
      if (left > 1) {
        open.push(left - 1);
        return;
      }
    }
  };
  const openList = (length: number): string | undefined => {
    elements += length;
    if (elements > limits.maxElements) return `a reply has more than ${limits.maxElements} parts`;
    if (open.length >= limits.maxDepth) return "a reply is nested too deeply";
    if (length <= 0) finishValue();
    else {
      open.push(length);
      place = { t: "type" };
    }
    return undefined;
  };
  const finishLine = (type: number, text: string): string | undefined => {
    if (type === code.simple || type === code.error) {
      finishValue();
      return undefined;
    }
    if (!/^-?\d{1,19}$/.test(text)) return "a reply has a length that is no number";
    if (type === code.integer) {
      finishValue();
      return undefined;
    }
    const length = Number(text);
    if (length < 0 && text !== "-1") return "a reply has a negative length";
    if (type === code.list) return openList(length);
    if (length > limits.maxBytes) return `a reply is longer than ${limits.maxBytes} bytes`;
    if (length < 0) finishValue();
    else place = { t: "body", left: length + 2 };
    return undefined;
  };
  const readType = (type: number): string | undefined => {
    if (open.length === 0 && done >= asked()) return "it sends what nobody asked for";
    if (!types.has(type)) return "it does not speak Redis";
    place = { t: "line", type, text: "" };
    return undefined;
  };
  /** Reads on in a line; returns where the chunk goes on, or why it may not. */
  const readLine = (
    chunk: Buffer,
    at: number,
    line: Extract<Place, { t: "line" }>,
  ): number | string => {
    const end = chunk.indexOf(lineFeed, at);
    const until = end < 0 ? chunk.length : end;
    if (line.text.length + until - at > maxLineBytes) return "a line of a reply is too long";
    const text = line.text + chunk.toString("latin1", at, until);
    if (end < 0) {
      place = { ...line, text };
      return chunk.length;
    }
    if (text.charCodeAt(text.length - 1) !== carriageReturn || text.indexOf("\r") < text.length - 1)
      return "a line of a reply ends wrongly";
    return finishLine(line.type, text.slice(0, -1)) ?? end + 1;
  };

  const judge = (chunk: Buffer): string | undefined => {
    let at = 0;
    let counted = 0;
    while (at < chunk.length) {
      const [before, carried] = [done, bytes];
      if (place.t === "type") {
        const wrong = readType(chunk[at] ?? 0);
        if (wrong !== undefined) return wrong;
        at += 1;
      } else if (place.t === "line") {
        const next = readLine(chunk, at, place);
        if (typeof next === "string") return next;
        at = next;
      } else {
        const step = Math.min(place.left, chunk.length - at);
        at += step;
        if (step === place.left) finishValue();
        else place = { t: "body", left: place.left - step };
      }
      if (carried + at - counted > limits.maxBytes) {
        return `a reply is longer than ${limits.maxBytes} bytes`;
      }
      if (done !== before) counted = at;
    }
    bytes += at - counted;
    return undefined;
  };

  return { judge, replies: () => done };
}
