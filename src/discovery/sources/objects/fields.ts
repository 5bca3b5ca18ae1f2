import { shown } from "../source-finding.ts";

/** The way to a value inside a document. */
export type FieldPath = readonly (string | number)[];

export type ProblemCode =
  | "SOURCE_OBJECT_INVALID"
  | "SOURCE_KIND_UNSUPPORTED"
  | "SOURCE_FIELD_UNKNOWN"
  | "SOURCE_PORT_UNSUPPORTED"
  | "SOURCE_EXPORT_METADATA_DROPPED";

/** A mistake in an object, before file and line are known. */
export interface Problem {
  readonly code: ProblemCode;
  readonly path: FieldPath;
  readonly message: string;
}

/** `spec.ports[0].port` */
export function pathText(path: FieldPath): string {
  const parts = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`));
  return parts.join("").replace(/^\./, "") || "the document";
}

/** What a value has to fit, and the words for it when it does not. */
export interface TextRule {
  readonly pattern: RegExp;
  readonly wants: string;
}

/**
 * Reads one map of a foreign document. Every getter answers undefined for an absent or null field and
 * for a wrong one; a wrong one also adds a problem, so all mistakes of an object are reported at once.
 */
export interface Fields {
  readonly path: FieldPath;
  readonly raw: (key: string) => unknown;
  readonly text: (key: string, rule?: TextRule) => string | undefined;
  readonly integer: (key: string, range: IntegerRange) => number | undefined;
  readonly flag: (key: string) => boolean | undefined;
  readonly fields: (key: string) => Fields | undefined;
  /** All of it, for a map whose keys are free. */
  readonly entries: () => readonly (readonly [string, unknown])[];
  /** Each item with its own path; an absent list is empty. */
  readonly list: (key: string, maxItems: number) => readonly Item[];
  readonly refuse: (key: string, message: string) => undefined;
  /** Reports a required field that is absent; a wrong one was reported already. */
  readonly require: (key: string, remedy: string) => void;
  /** Reports keys (with this prefix) that no reader knows: mostly misspelt ones, lost in silence otherwise. */
  readonly expectOnly: (known: readonly string[], prefix?: string) => void;
}

export interface IntegerRange {
  readonly min: number;
  readonly max: number;
}

export interface Item {
  readonly path: FieldPath;
  readonly value: unknown;
}

/** Undefined, with a problem, when the value is not a map. */
export function fieldsOf(item: Item, problems: Problem[]): Fields | undefined {
  const { value, path } = item;
  const refuseAt = (at: FieldPath, message: string): undefined => {
    problems.push({ code: "SOURCE_OBJECT_INVALID", path: at, message });
  };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refuseAt(path, `it is ${shown(value)} where a map belongs; write "key: value" lines`);
  }
  // Own keys only: a document may well have a key named "constructor" or "__proto__".
  const raw = (key: string): unknown => {
    const found: unknown = Object.hasOwn(value, key)
      ? (value as Readonly<Record<string, unknown>>)[key]
      : undefined;
    return found === null ? undefined : found;
  };
  const refuse = (key: string, message: string): undefined => refuseAt([...path, key], message);
  return {
    path,
    raw,
    refuse,
    text(key, rule) {
      const found = raw(key);
      if (found === undefined) return undefined;
      if (typeof found !== "string") {
        return refuse(key, `it is ${shown(found)} where text belongs; put it in quotes`);
      }
      if (rule === undefined || rule.pattern.test(found)) return found;
      return refuse(key, `it is ${shown(found)}; it has to be ${rule.wants}`);
    },
    integer(key, { min, max }) {
      const found = raw(key);
      if (found === undefined) return undefined;
      const isInside = Number.isInteger(found) && Number(found) >= min && Number(found) <= max;
      if (isInside) return Number(found);
      return refuse(key, `it is ${shown(found)}; write a whole number from ${min} to ${max}`);
    },
    flag(key) {
      const found = raw(key);
      if (found === undefined || typeof found === "boolean") return found;
      return refuse(key, `it is ${shown(found)}; write true or false without quotes`);
    },
    fields(key) {
      const found = raw(key);
      return found === undefined
        ? undefined
        : fieldsOf({ path: [...path, key], value: found }, problems);
    },
    entries: () => Object.entries(value),
    list(key, maxItems) {
      const found = raw(key);
      if (found === undefined) return [];
      if (!Array.isArray(found)) {
        refuse(key, `it is ${shown(found)} where a list belongs; start each item with "- "`);
        return [];
      }
      if (found.length > maxItems) {
        refuse(key, `it has ${found.length} items; at most ${maxItems} are allowed`);
        return [];
      }
      return found.map((entry: unknown, index) => ({ path: [...path, key, index], value: entry }));
    },
    require(key, remedy) {
      if (raw(key) === undefined) refuse(key, `it is missing; ${remedy}`);
    },
    expectOnly(known, prefix = "") {
      for (const key of Object.keys(value)) {
        if (known.includes(key) || !key.startsWith(prefix)) continue;
        problems.push({
          code: "SOURCE_FIELD_UNKNOWN",
          path: [...path, key],
          message: `no such field is known here, so it has no effect; known are ${known.join(", ")}`,
        });
      }
    },
  };
}
