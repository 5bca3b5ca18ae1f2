/** Not an error of the document: it only needs the full parser. */
export class NotPlain extends Error {}

const maxFlowChars = 2000;
const maxFlowDepth = 8;
// Words that are no text, or whose meaning as a key differs between readers.
const special = /^(?:null|true|false|~|)$/i;
const numberLike = /^[-+]?\.?\d[\d._]*(?:[eE][-+]?\d+)?$|^0[ox]|^[-+]?\.(?:inf|nan)$/i;
const plainInteger = /^-?(?:0|[1-9]\d{0,14})$/;
const dottedQuad = /^\d+\.\d+\.\d/;
// In double quotes these escapes mean the same as in JSON.
const quotedLine = /^(?:("(?:[^"\\]|\\["\\/bfnrt])*")|'([^']*)')(?: +#.*)?$/;
const indicator = /^[-?:,[\]{}#&*!|>'"%@`]/;

export function isSpecialWord(text: string): boolean {
  return special.test(text);
}

/**
 * A scalar or a one-line flow collection, with a comment behind it at most. Throws NotPlain where
 * YAML might mean something else.
 */
export function readInline(text: string): unknown {
  const first = text.charAt(0);
  if (first === "[" || first === "{") return readFlow(text);
  if (first === '"' || first === "'") {
    const match = quotedLine.exec(text);
    if (match === null) throw new NotPlain();
    return match[1] === undefined ? match[2] : unescaped(match[1]);
  }
  const comment = text.search(/ +#/);
  return plainScalar(comment < 0 ? text : text.slice(0, comment));
}

function unescaped(quoted: string): string {
  return JSON.parse(quoted) as string;
}

function plainScalar(text: string): unknown {
  if (plainInteger.test(text)) return Number(text);
  if (indicator.test(text) || /: |:$/.test(text)) throw new NotPlain();
  if (dottedQuad.test(text)) return text;
  if (numberLike.test(text)) throw new NotPlain();
  if (!special.test(text)) return text;
  if (text === "true") return true;
  if (text === "false") return false;
  if (text === "null") return null;
  throw new NotPlain();
}

interface FlowCursor {
  readonly text: string;
  at: number;
}

type FlowToken =
  | { readonly t: "mark"; readonly mark: string }
  | { readonly t: "quoted"; readonly text: string }
  | { readonly t: "word"; readonly text: string };

const flowToken =
  / *(?:([[\]{},])|"([^"\\]*)"|'([^']*)'|([A-Za-z0-9_./-]+(?: [A-Za-z0-9_./-]+)*))/y;
const flowColon = /: +/y;
const flowKey = /^[A-Za-z][A-Za-z0-9_./-]*$/;
const flowEnd = /(?: +#.*)?$/y;

function readFlow(text: string): unknown {
  if (text.length > maxFlowChars) throw new NotPlain();
  const cursor = { text, at: 0 };
  const value = flowValue(cursor, 0);
  if (!skip(cursor, flowEnd)) throw new NotPlain();
  return value;
}

function skip(cursor: FlowCursor, pattern: RegExp): boolean {
  pattern.lastIndex = cursor.at;
  const isThere = pattern.test(cursor.text);
  if (isThere) cursor.at = pattern.lastIndex;
  return isThere;
}

function nextToken(cursor: FlowCursor): FlowToken {
  flowToken.lastIndex = cursor.at;
  const match = flowToken.exec(cursor.text);
  if (match === null) throw new NotPlain();
  cursor.at = flowToken.lastIndex;
  const [, mark, double, single, word] = match;
  if (mark !== undefined) return { t: "mark", mark };
  return word === undefined
    ? { t: "quoted", text: double ?? single ?? "" }
    : { t: "word", text: word };
}

function flowValue(cursor: FlowCursor, depth: number): unknown {
  const token = nextToken(cursor);
  if (depth > maxFlowDepth) throw new NotPlain();
  if (token.t === "quoted") return token.text;
  if (token.t === "word") return plainScalar(token.text);
  if (token.mark === "[") return flowList(cursor, depth + 1);
  if (token.mark === "{") return flowMap(cursor, depth + 1);
  throw new NotPlain();
}

function flowList(cursor: FlowCursor, depth: number): unknown[] {
  const items: unknown[] = [];
  if (skip(cursor, / *\]/y)) return items;
  do items.push(flowValue(cursor, depth));
  while (goesOn(cursor, "]"));
  return items;
}

function flowMap(cursor: FlowCursor, depth: number): Record<string, unknown> {
  const map: Record<string, unknown> = {};
  if (skip(cursor, / *\}/y)) return map;
  do {
    const key = nextToken(cursor);
    const isKey = key.t !== "mark" && flowKey.test(key.text) && !special.test(key.text);
    if (!isKey || Object.hasOwn(map, key.text) || !skip(cursor, flowColon)) throw new NotPlain();
    map[key.text] = flowValue(cursor, depth);
  } while (goesOn(cursor, "}"));
  return map;
}

/** True after a comma, false at the closing mark. */
function goesOn(cursor: FlowCursor, close: "]" | "}"): boolean {
  const token = nextToken(cursor);
  if (token.t !== "mark" || (token.mark !== "," && token.mark !== close)) throw new NotPlain();
  return token.mark === ",";
}
