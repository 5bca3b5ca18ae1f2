import type { Document } from "yaml";
import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit } from "yaml";
import { reasonOf } from "../../../mesh/errors.ts";
import type { FieldPath } from "../objects/fields.ts";
import { readPlainYaml } from "./plain-yaml.ts";

export type YamlReading =
  | { readonly t: "value"; readonly value: unknown }
  /** `line` is counted from 1 within the document. */
  | { readonly t: "invalid"; readonly line: number; readonly reason: string };

// A text full of mistakes takes the full parser up to 17 µs a character. What is longer and not plain
// was not written for Kubernetes.
const maxChars = 32 * 1024;
const maxLocatedChars = 512 * 1024;
// The full parser recurses, and no Kubernetes object is nested this deep.
const maxDepth = 64;
// Aliases repeat whole subtrees: a few lines of them can stand for gigabytes.
const maxAliases = 100;
// The full parser takes 20 s for "? " written 500 times; nobody writes keys of Kubernetes objects so.
const explicitKey = /^[ \t]*(?:- +)*\?[ \t\r\n]|[[{,]\s*\?\s/m;
const options = {
  merge: true, // as Kubernetes' own tools do
  stringKeys: true,
  // Quadratic in the parser: 50,000 keys take a minute. Counted below instead.
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: "silent",
} as const;

/** Reads one document of YAML 1.2. It never throws, and its cost is bounded whatever the text. */
export function readYaml(text: string): YamlReading {
  const plain = readPlainYaml(text) ?? readJson(text);
  if (plain !== undefined) return { t: "value", value: plain.value };
  const refusal = refusalOf(text);
  if (refusal !== undefined) return { t: "invalid", line: 1, reason: refusal };
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, { ...options, lineCounter: lines });
    const error = document.errors[0] ?? twinKeyIn(document);
    if (error === undefined) return { t: "value", value: valueOf(document) };
    const reason = error.message.replaceAll("\n", " ");
    return { t: "invalid", line: lines.linePos(error.pos[0]).line, reason };
  } catch (cause) {
    return { t: "invalid", line: 1, reason: reasonOf(cause) };
  }
}

/**
 * The lines of values within one document, counted from 1; of its nearest parent for a value that is
 * not there. One parse for all of them: a document may hold a thousand mistakes.
 */
export function linesOfPaths(text: string, paths: readonly FieldPath[]): number[] {
  if (!canLocate(text)) return paths.map(() => 1);
  const lines = new LineCounter();
  try {
    const { contents } = parseDocument(text, { ...options, lineCounter: lines });
    return paths.map((path) => lines.linePos(offsetOfPath(contents, path)).line);
  } catch {
    return paths.map(() => 1);
  }
}

/** A longer text takes the full parser no longer than it deserves when it is known to be sound. */
function canLocate(text: string): boolean {
  if (refusalOf(text) === undefined) return true;
  const isSound = (readPlainYaml(text) ?? readJson(text)) !== undefined;
  return isSound && text.length <= maxLocatedChars && depthOf(text) <= maxDepth;
}

function offsetOfPath(root: unknown, path: FieldPath): number {
  let node = root;
  let offset = offsetOf(root) ?? 0;
  for (const part of path) {
    const pair = isMap(node) ? node.items.find(({ key }) => keyOf(key) === part) : undefined;
    const child: unknown = pair === undefined ? itemOf(node, part) : pair.value;
    offset = offsetOf(pair?.key ?? child) ?? offset;
    node = child;
  }
  return offset;
}

function readJson(text: string): { readonly value: unknown } | undefined {
  if (!text.trimStart().startsWith("{")) return undefined;
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

function refusalOf(text: string): string | undefined {
  if (text.length > maxChars) {
    return `the document has more than ${maxChars} characters and is no plain YAML or JSON; split it`;
  }
  if (explicitKey.test(text))
    return 'it has an explicit key; write "key: value" instead of "? key"';
  return depthOf(text) > maxDepth ? `it is nested deeper than ${maxDepth} levels` : undefined;
}

/** An upper bound, because marks inside quotes count too. */
function depthOf(text: string): number {
  let flow = 0;
  let deepest = 0;
  for (const [mark] of text.matchAll(/[[{\]}]|^(?:[ \t]*- )+/gm)) {
    if (mark === "[" || mark === "{") flow += 1;
    else if (mark === "]" || mark === "}") flow = Math.max(0, flow - 1);
    else deepest = Math.max(deepest, mark.split("-").length);
    deepest = Math.max(deepest, flow);
  }
  return deepest;
}

function valueOf(document: Document): unknown {
  return document.toJS({ maxAliasCount: maxAliases }) as unknown;
}

interface PlacedError {
  readonly message: string;
  readonly pos: readonly [number, ...number[]];
}

function twinKeyIn(document: Document): PlacedError | undefined {
  let twin: PlacedError | undefined;
  visit(document, {
    Map(_, map) {
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        const name = keyOf(key);
        if (seen.has(name) && name !== "<<") {
          twin = {
            message: `the key "${String(name)}" stands twice in one map`,
            pos: [offsetOf(key) ?? 0],
          };
          return visit.BREAK;
        }
        seen.add(name);
      }
      return undefined;
    },
  });
  return twin;
}

function keyOf(key: unknown): unknown {
  return isScalar(key) ? key.value : key;
}

function itemOf(node: unknown, index: string | number): unknown {
  return isSeq(node) && typeof index === "number" ? node.items[index] : undefined;
}

function offsetOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
