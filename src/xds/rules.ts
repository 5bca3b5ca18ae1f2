import type { Rule } from "./gen/constraints.ts";

/**
 * What is wrong with a value that is there, as "must be …"; empty: nothing. Rules for items, keys and
 * values are for whoever walks them. `enumValues`: the numbers that the field's enum names.
 */
export function brokenRules(
  rule: Rule,
  value: unknown,
  options: { readonly enumValues?: ReadonlySet<number> } = {},
): readonly string[] {
  const broken: string[] = [];
  const demand = (isMet: boolean, what: string): void => {
    if (!isMet) broken.push(`must be ${what}`);
  };
  switch (rule.kind) {
    case "message":
      break;
    case "bool":
      if (rule.const !== undefined) demand(value === rule.const, String(rule.const));
      break;
    case "number":
    case "bigint":
      if (!(rule.ignoreEmpty === true && isEmpty(value))) checkOrder(rule, value, demand);
      break;
    case "duration":
      checkOrder(rule, durationMs(value), demand);
      break;
    case "enum":
      checkEnum(rule, value, { demand, enumValues: options.enumValues });
      break;
    case "string":
      if (typeof value === "string" && !(rule.ignoreEmpty === true && value === "")) {
        checkString(rule, value, demand);
      }
      break;
    case "bytes":
      if (value instanceof Uint8Array && !(rule.ignoreEmpty === true && value.length === 0)) {
        checkLength(rule, value.length, { demand, unit: "bytes" });
      }
      break;
    case "repeated":
      if (Array.isArray(value)) checkList(rule, value, demand);
      break;
    case "map":
      checkPairs(rule, value, demand);
      break;
    case "any":
      checkTypeUrl(rule, value, demand);
      break;
  }
  return broken;
}

type Demand = (isMet: boolean, what: string) => void;
type RuleOf<Kind extends Rule["kind"]> = Extract<Rule, { kind: Kind }>;

interface Bounds {
  readonly const?: number | bigint;
  readonly lt?: number | bigint;
  readonly lte?: number | bigint;
  readonly gt?: number | bigint;
  readonly gte?: number | bigint;
  readonly in?: readonly (number | bigint)[];
  readonly notIn?: readonly (number | bigint)[];
}

function isEmpty(value: unknown): boolean {
  return value === 0 || value === 0n;
}

function checkOrder(rule: Bounds, value: unknown, demand: Demand): void {
  if (typeof value !== "number" && typeof value !== "bigint") return;
  if (rule.const !== undefined) demand(value === rule.const, String(rule.const));
  if (rule.in !== undefined) demand(rule.in.includes(value), `one of ${rule.in.join(", ")}`);
  if (rule.notIn !== undefined)
    demand(!rule.notIn.includes(value), `none of ${rule.notIn.join(", ")}`);
  const isBelow = isUnder(rule, value);
  const isAbove = isOver(rule, value);
  // The usual case, before words are made of the bounds.
  if (isBelow && isAbove) return;
  const upper = rule.lt ?? rule.lte;
  const lower = rule.gt ?? rule.gte;
  const isOutside = upper !== undefined && lower !== undefined && upper < lower;
  if (isOutside) demand(isBelow || isAbove, `below ${upper} or above ${lower}`);
  else {
    demand(isBelow, rule.lt === undefined ? `at most ${upper}` : `less than ${upper}`);
    demand(isAbove, rule.gt === undefined ? `at least ${lower}` : `more than ${lower}`);
  }
}

function isUnder({ lt, lte }: Bounds, value: number | bigint): boolean {
  if (lt !== undefined) return value < lt;
  return lte === undefined || value <= lte;
}

function isOver({ gt, gte }: Bounds, value: number | bigint): boolean {
  if (gt !== undefined) return value > gt;
  return gte === undefined || value >= gte;
}

function durationMs(value: unknown): number | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (!("seconds" in value) || !("nanos" in value)) return undefined;
  return Number(value.seconds) * 1000 + Number(value.nanos) / 1_000_000;
}

function checkEnum(
  rule: RuleOf<"enum">,
  value: unknown,
  {
    demand,
    enumValues,
  }: { readonly demand: Demand; readonly enumValues: ReadonlySet<number> | undefined },
): void {
  if (typeof value !== "number") return;
  if (rule.const !== undefined) demand(value === rule.const, String(rule.const));
  if (rule.in !== undefined) demand(rule.in.includes(value), `one of ${rule.in.join(", ")}`);
  if (rule.notIn !== undefined)
    demand(!rule.notIn.includes(value), `none of ${rule.notIn.join(", ")}`);
  if (rule.definedOnly === true)
    demand(enumValues?.has(value) !== false, "a value that the enum names");
}

function checkString(rule: RuleOf<"string">, value: string, demand: Demand): void {
  const quoted = JSON.stringify;
  if (rule.const !== undefined) demand(value === rule.const, quoted(rule.const));
  checkLength(rule, charactersOf(value), { demand, unit: "characters" });
  const bytes = { len: rule.lenBytes, minLen: rule.minBytes, maxLen: rule.maxBytes };
  checkLength(bytes, Buffer.byteLength(value), { demand, unit: "bytes" });
  if (rule.pattern !== undefined)
    demand(new RegExp(rule.pattern, "u").test(value), `like ${rule.pattern}`);
  if (rule.prefix !== undefined)
    demand(value.startsWith(rule.prefix), `started by ${quoted(rule.prefix)}`);
  if (rule.suffix !== undefined)
    demand(value.endsWith(rule.suffix), `ended by ${quoted(rule.suffix)}`);
  if (rule.contains !== undefined)
    demand(value.includes(rule.contains), `with ${quoted(rule.contains)}`);
  if (rule.notContains !== undefined) {
    demand(!value.includes(rule.notContains), `without ${quoted(rule.notContains)}`);
  }
  if (rule.in !== undefined) demand(rule.in.includes(value), `one of ${quoted(rule.in)}`);
  if (rule.notIn !== undefined)
    demand(!rule.notIn.includes(value), `none of ${quoted(rule.notIn)}`);
  if (rule.wellKnown !== undefined) demand(isWellKnown(rule, value), `a ${rule.wellKnown}`);
}

function charactersOf(value: string): number {
  return /[\ud800-\udbff]/.test(value) ? Array.from(value).length : value.length;
}

// The two kinds that the protos use, as protoc-gen-validate defines them.
const strictName = /^:?[0-9a-zA-Z!#$%&'*+,.^_|~`-]+$/;

function isWellKnown(rule: RuleOf<"string">, value: string): boolean {
  const isLoose = rule.strict === false;
  if (rule.wellKnown === "httpHeaderName") {
    return isLoose ? value !== "" && isLooseText(value) : strictName.test(value);
  }
  if (rule.wellKnown === "httpHeaderValue") {
    return isLoose ? isLooseText(value) : Array.from(value).every(isPrintable);
  }
  throw new RangeError(`Cannot check a ${rule.wellKnown}: no proto used it when this was written`);
}

function isLooseText(value: string): boolean {
  return !/[\0\n\r]/.test(value);
}

function isPrintable(character: string): boolean {
  return character === "\t" || (character >= " " && character !== "\u007f");
}

interface Lengths {
  readonly len?: number | undefined;
  readonly minLen?: number | undefined;
  readonly maxLen?: number | undefined;
}

function checkLength(
  rule: Lengths,
  length: number,
  { demand, unit }: { readonly demand: Demand; readonly unit: string },
): void {
  if (rule.len !== undefined) demand(length === rule.len, `${rule.len} ${unit} long`);
  if (rule.minLen !== undefined)
    demand(length >= rule.minLen, `at least ${rule.minLen} ${unit} long`);
  if (rule.maxLen !== undefined)
    demand(length <= rule.maxLen, `at most ${rule.maxLen} ${unit} long`);
}

function checkList(rule: RuleOf<"repeated">, list: readonly unknown[], demand: Demand): void {
  if (rule.ignoreEmpty === true && list.length === 0) return;
  if (rule.minItems !== undefined)
    demand(list.length >= rule.minItems, `at least ${rule.minItems} long`);
  if (rule.maxItems !== undefined)
    demand(list.length <= rule.maxItems, `at most ${rule.maxItems} long`);
  if (rule.unique === true) demand(new Set(list).size === list.length, "without duplicates");
}

function checkPairs(rule: RuleOf<"map">, value: unknown, demand: Demand): void {
  if (typeof value !== "object" || value === null) return;
  const size = Object.keys(value).length;
  if (rule.ignoreEmpty === true && size === 0) return;
  if (rule.minPairs !== undefined) demand(size >= rule.minPairs, `at least ${rule.minPairs} long`);
  if (rule.maxPairs !== undefined) demand(size <= rule.maxPairs, `at most ${rule.maxPairs} long`);
}

function checkTypeUrl(rule: RuleOf<"any">, value: unknown, demand: Demand): void {
  if (typeof value !== "object" || value === null || !("typeUrl" in value)) return;
  const typeUrl = String(value.typeUrl);
  if (rule.in !== undefined) demand(rule.in.includes(typeUrl), `one of ${rule.in.join(", ")}`);
  if (rule.notIn !== undefined)
    demand(!rule.notIn.includes(typeUrl), `none of ${rule.notIn.join(", ")}`);
}
