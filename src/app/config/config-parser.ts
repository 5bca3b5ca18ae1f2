import { isAbsolute, join } from "node:path";
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { type HostPort, parseHostPort } from "../../mesh/address.ts";
import { reasonOf } from "../../mesh/errors.ts";
import { didYouMean } from "../nearest.ts";

/** One thing wrong with a configuration file. */
export interface ConfigProblem {
  readonly file: string;
  /** Starts with 1; 0 when the file as a whole is meant. */
  readonly line: number;
  /** `sources[0].files`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

export type Parsed<T> =
  | { readonly t: "ok"; readonly config: T }
  | { readonly t: "invalid"; readonly problems: readonly ConfigProblem[] };

/** A place in the document; every parser reads one and reports what is wrong with it. */
interface Place {
  readonly node: Node | undefined;
  readonly path: string;
  /** Of the nearest thing that stands in the file. */
  readonly line: number;
  readonly folder: string;
  readonly report: (line: number, path: string, message: string) => void;
  readonly lineOf: (node: Node | undefined) => number | undefined;
}

const invalid: unique symbol = Symbol("invalid");
/** Reads a place or reports its problems: one pass finds them all. */
export type Parser<T> = (place: Place) => T | typeof invalid;

interface Field<T> {
  readonly parse: Parser<T>;
  /** Undefined: the field is required. */
  readonly otherwise: (() => T) | undefined;
}

/** Reads a whole YAML file. All problems are found at once; unknown keys are problems. */
export function parseConfig<T>(
  input: { readonly file: string; readonly folder: string; readonly text: string },
  parser: Parser<T>,
): Parsed<T> {
  const problems: ConfigProblem[] = [];
  const lines = new LineCounter();
  const document = parseDocument(input.text, { lineCounter: lines, prettyErrors: false });
  const report: Place["report"] = (line, path, message) =>
    problems.push({ file: input.file, line, path, message });
  for (const error of document.errors) {
    report(lines.linePos(error.pos[0]).line, "", `it is not YAML: ${error.message}`);
  }
  if (problems.length > 0) return { t: "invalid", problems };
  const lineOf: Place["lineOf"] = (node) =>
    node?.range ? lines.linePos(node.range[0]).line : undefined;
  const node = document.contents ?? undefined;
  const config = parser({ node, path: "", line: 1, folder: input.folder, report, lineOf });
  return config === invalid || problems.length > 0
    ? { t: "invalid", problems }
    : { t: "ok", config: deepFreeze(config) };
}

export function required<T>(parse: Parser<T>): Field<T> {
  return { parse, otherwise: undefined };
}

export function optional<T>(parse: Parser<T>, otherwise: T): Field<T> {
  return { parse, otherwise: () => otherwise };
}

type FieldsOf<Shape extends object> = { readonly [Key in keyof Shape]: Field<Shape[Key]> };

/** A mapping with exactly these keys. */
export function object<Shape extends object>(fields: FieldsOf<Shape>): Parser<Shape> {
  const known = Object.keys(fields) as (keyof Shape & string)[];
  return (place) => {
    if (!isMap(place.node)) return refuse(place, "it is not a mapping of keys to values");
    for (const pair of place.node.items) {
      const key = String(isScalar(pair.key) ? pair.key.value : pair.key);
      if (known.some((name) => name === key)) continue;
      const line = place.lineOf(pair.key as Node) ?? place.line;
      place.report(line, joined(place.path, key), `unknown key${didYouMean(key, known)}`);
    }
    const entries = known.map((key) => [key, fieldIn(place, key, fields[key])] as const);
    if (entries.some(([, value]) => value === invalid)) return invalid;
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as Shape;
  };
}

function fieldIn<T>(place: Place, key: string, field: Field<T>): T | typeof invalid {
  const node = isMap(place.node) ? (place.node.get(key, true) as Node | undefined) : undefined;
  const inner: Place = {
    ...place,
    node,
    path: joined(place.path, key),
    line: place.lineOf(node) ?? place.line,
  };
  const isAbsent = node === undefined || (isScalar(node) && node.value === null);
  if (!isAbsent) return field.parse(inner);
  return field.otherwise === undefined ? refuse(inner, "it is missing") : field.otherwise();
}

/** A plain text in short, or a mapping or list that says more. */
export function either<T>(short: Parser<T>, long: Parser<T>): Parser<T> {
  return (place) => (isMap(place.node) || isSeq(place.node) ? long(place) : short(place));
}

export function list<T>(parse: Parser<T>, atLeast = 0): Parser<readonly T[]> {
  return (place) => {
    if (!isSeq(place.node)) return refuse(place, "it is not a list");
    if (place.node.items.length < atLeast) return refuse(place, `it needs at least ${atLeast}`);
    const items = place.node.items.map((item, index) => {
      const node = item as Node;
      const line = place.lineOf(node) ?? place.line;
      return parse({ ...place, node, path: `${place.path}[${index}]`, line });
    });
    return items.some((item) => item === invalid) ? invalid : (items as T[]);
  };
}

/** Any non-empty text that `read` accepts; what it throws is the problem. */
export function text<T = string>(read?: (text: string) => T): Parser<T> {
  return (place) => {
    const value = isScalar(place.node) ? place.node.value : undefined;
    if (typeof value !== "string" || value === "") return refuse(place, "it is not a text");
    try {
      return read === undefined ? (value as T) : read(value);
    } catch (thrown) {
      return refuse(place, reasonOf(thrown));
    }
  };
}

export function integer(range: { readonly min: number; readonly max: number }): Parser<number> {
  return (place) => {
    const value = isScalar(place.node) ? place.node.value : undefined;
    const isWithin =
      typeof value === "number" &&
      Number.isInteger(value) &&
      value >= range.min &&
      value <= range.max;
    return isWithin
      ? value
      : refuse(place, `it is not a whole number from ${range.min} to ${range.max}`);
  };
}

/** A number of milliseconds, or a text such as `500ms`, `10s`, `5m`, `24h`. */
export function duration(range: { readonly min: number; readonly max: number }): Parser<number> {
  return (place) => {
    const ms = durationMs(isScalar(place.node) ? place.node.value : undefined);
    if (ms === undefined) return refuse(place, 'it is not a duration such as "10s"');
    return ms >= range.min && ms <= range.max
      ? ms
      : refuse(place, `it is not between ${range.min} ms and ${range.max} ms`);
  };
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function durationMs(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isInteger(value) ? value : undefined;
  return typeof value === "string" ? durationOf(value) : undefined;
}

/** Milliseconds of a text such as `500ms`, `10s`, `5m`, `24h`; undefined when it is none. */
export function durationOf(text: string): number | undefined {
  const match = /^(\d{1,9})(ms|s|m|h)$/.exec(text);
  return match === null ? undefined : Number(match[1]) * (unitMs[match[2] ?? ""] ?? 1);
}

export function oneOf<const Choice extends string>(
  choices: readonly Choice[],
  notYet: readonly string[] = [],
): Parser<Choice> {
  return (place) => {
    const value = isScalar(place.node) ? place.node.value : undefined;
    const choice = choices.find((each) => each === value);
    if (choice !== undefined) return choice;
    if (notYet.some((each) => each === value)) {
      return refuse(place, `"${String(value)}" is not in this version yet; use ${choices[0]}`);
    }
    const hint = didYouMean(String(value), choices);
    return refuse(place, `it is not one of ${choices.join(", ")}${hint}`);
  };
}

export const yes: Parser<true> = (place) =>
  isScalar(place.node) && place.node.value === true ? true : refuse(place, "it can only be true");

export const address: Parser<HostPort> = text(parseHostPort);

/** A path, made absolute from the folder of the file it stands in. */
export const path: Parser<string> = (place) => {
  const value = text()(place);
  if (value === invalid) return invalid;
  return isAbsolute(value) ? value : join(place.folder, value);
};

/** Judges what was read as a whole; returns what is wrong with it. */
export function checked<T>(parse: Parser<T>, judge: (value: T) => string | undefined): Parser<T> {
  return (place) => {
    const value = parse(place);
    if (value === invalid) return invalid;
    const wrong = judge(value);
    return wrong === undefined ? value : refuse(place, wrong);
  };
}

export function mapped<From, To>(parse: Parser<From>, change: (value: From) => To): Parser<To> {
  return (place) => {
    const value = parse(place);
    return value === invalid ? invalid : change(value);
  };
}

function refuse(place: Place, message: string): typeof invalid {
  place.report(place.line, place.path, message);
  return invalid;
}

function joined(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
