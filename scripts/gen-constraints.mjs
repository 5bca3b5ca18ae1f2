// Turns the validation rules that the protos carry (`validate.rules`, by which Envoy refuses a message) into
// a table that run-time code can walk. A rule this file does not know stops the generation.
import { createFileRegistry, getOption, hasOption } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";

const types = `
/** By full type name, such as "envoy.config.cluster.v3.Cluster"; types without rules are absent. */
export type Constraints = Readonly<Record<string, MessageConstraints>>;

export interface MessageConstraints {
  /** Local names of the oneofs in which some field must be set. */
  readonly oneofs?: readonly string[];
  readonly fields?: readonly FieldConstraint[];
}

export interface FieldConstraint {
  /** Local name: the property in the generated TypeScript. */
  readonly field: string;
  readonly number: number;
  /** Local name of the oneof this field is a case of; the rule holds only while the case is set. */
  readonly oneof?: string;
  readonly rule: Rule;
}

/**
 * What a value must satisfy; each property is one more demand. An absent wrapper, message or optional field
 * satisfies every rule but \`required\`; a plain scalar is never absent, its default is checked too.
 */
export type Rule =
  | MessageRule
  | NumberRule
  | BigintRule
  | BoolRule
  | StringRule
  | BytesRule
  | EnumRule
  | RepeatedRule
  | MapRule
  | AnyRule
  | DurationRule;

interface Presence {
  /** The message or wrapper must be set. */
  readonly required?: true;
  /** The rules of the message's own type are not applied here. */
  readonly skip?: true;
}

interface Emptiness {
  /** The default value (0, "", no items) satisfies the rule. */
  readonly ignoreEmpty?: true;
}

/** An upper bound below the lower one means: outside of both, not between. */
interface Order<T> {
  readonly const?: T;
  readonly lt?: T;
  readonly lte?: T;
  readonly gt?: T;
  readonly gte?: T;
  readonly in?: readonly T[];
  readonly notIn?: readonly T[];
}

export interface MessageRule extends Presence {
  readonly kind: "message";
}

export interface NumberRule extends Presence, Emptiness, Order<number> {
  readonly kind: "number";
}

/** The 64-bit integers. */
export interface BigintRule extends Presence, Emptiness, Order<bigint> {
  readonly kind: "bigint";
}

export interface BoolRule extends Presence {
  readonly kind: "bool";
  readonly const?: boolean;
}

/** Lengths count code points; \`…Bytes\` count UTF-8. */
export interface StringRule extends Presence, Emptiness {
  readonly kind: "string";
  readonly const?: string;
  readonly len?: number;
  readonly minLen?: number;
  readonly maxLen?: number;
  readonly lenBytes?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  /** RE2 syntax, not anchored by itself. */
  readonly pattern?: string;
  readonly prefix?: string;
  readonly suffix?: string;
  readonly contains?: string;
  readonly notContains?: string;
  readonly in?: readonly string[];
  readonly notIn?: readonly string[];
  readonly wellKnown?: WellKnownString;
  /** False: a header name or value may hold anything but NUL, CR and LF. */
  readonly strict?: false;
}

export type WellKnownString =
  | "email"
  | "hostname"
  | "ip"
  | "ipv4"
  | "ipv6"
  | "uri"
  | "uriRef"
  | "address"
  | "uuid"
  | "httpHeaderName"
  | "httpHeaderValue";

export interface BytesRule extends Presence, Emptiness {
  readonly kind: "bytes";
  readonly len?: number;
  readonly minLen?: number;
  readonly maxLen?: number;
}

export interface EnumRule extends Presence {
  readonly kind: "enum";
  readonly const?: number;
  /** Only numbers that the enum names. */
  readonly definedOnly?: true;
  readonly in?: readonly number[];
  readonly notIn?: readonly number[];
}

export interface RepeatedRule extends Emptiness {
  readonly kind: "repeated";
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly unique?: true;
  readonly items?: Rule;
}

export interface MapRule extends Emptiness {
  readonly kind: "map";
  readonly minPairs?: number;
  readonly maxPairs?: number;
  readonly noSparse?: true;
  readonly keys?: Rule;
  readonly values?: Rule;
}

/** Type URLs. */
export interface AnyRule extends Presence {
  readonly kind: "any";
  readonly in?: readonly string[];
  readonly notIn?: readonly string[];
}

/** In milliseconds, with fractions. */
export interface DurationRule extends Presence, Order<number> {
  readonly kind: "duration";
}
`;

const wellKnown = ["email", "hostname", "ip", "ipv4", "ipv6", "uri", "uriRef", "address", "uuid"];
const wellKnownRegex = { 1: "httpHeaderName", 2: "httpHeaderValue" };

/**
 * The TypeScript module of the table.
 *
 * @param {import("@bufbuild/protobuf/wkt").FileDescriptorSet} set with its options
 */
export function constraintsModule(set) {
  const registry = createFileRegistry(set);
  const options = {
    disabled: registry.getExtension("validate.disabled"),
    required: registry.getExtension("validate.required"),
    rules: registry.getExtension("validate.rules"),
  };
  const rows = [];
  for (const type of registry) {
    if (type.kind !== "message" || type.file.name.startsWith("validate/")) continue;
    const row = messageConstraints(type, options);
    if (row !== undefined) rows.push(`  ${JSON.stringify(type.typeName)}: ${literal(row)},`);
  }
  return [
    "// Generated by scripts/gen-constraints.mjs out of the validate.rules of the protos.",
    types,
    "export const constraints: Constraints = {",
    ...rows.sort(),
    "};",
    "",
  ].join("\n");
}

function messageConstraints(type, options) {
  if (getOption(type, options.disabled)) return undefined;
  const oneofs = type.oneofs
    .filter((oneof) => getOption(oneof, options.required))
    .map((oneof) => oneof.localName);
  const fields = type.fields
    .filter((field) => hasOption(field, options.rules))
    .map((field) => fieldConstraint(field, getOption(field, options.rules), options.rules.message))
    .filter((field) => field !== undefined);
  if (oneofs.length === 0 && fields.length === 0) return undefined;
  return compact({ oneofs, fields });
}

function fieldConstraint(field, rules, schema) {
  const rule = ruleOf(plain(reflect(schema, rules)), `${field.parent.typeName}.${field.name}`);
  if (rule === undefined) return undefined;
  return compact({
    field: field.localName,
    number: field.number,
    oneof: field.oneof?.localName,
    rule,
  });
}

/** A FieldRules message as nested plain objects that hold only what is set. */
function plain(message) {
  const found = {};
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    const value = message.get(field);
    if (field.message?.typeName === "google.protobuf.Duration") {
      const toMs = (duration) => {
        const { seconds, nanos } = duration.message ?? duration;
        return Number(seconds) * 1000 + nanos / 1e6;
      };
      found[field.localName] = field.fieldKind === "list" ? [...value].map(toMs) : toMs(value);
    } else if (field.fieldKind === "message") found[field.localName] = plain(value);
    else found[field.localName] = field.fieldKind === "list" ? [...value] : value;
  }
  return found;
}

function ruleOf({ message = {}, ...typed }, where) {
  const [[type, demands] = ["message", {}], ...more] = Object.entries(typed);
  if (more.length > 0) throw new Error(`Cannot read the rules of ${where}: two types`);
  const presence = flags(message, ["required", "skip"]);
  const rule = { ...demandsOf(type, demands, where), ...presence };
  // `{ required: false }` and the like demand nothing.
  return Object.keys(rule).length > 1 ? rule : undefined;
}

const numbers = ["float", "double", "int32", "uint32", "sint32", "fixed32", "sfixed32"];
const bigints = ["int64", "uint64", "sint64", "fixed64", "sfixed64"];
const order = ["const", "lt", "lte", "gt", "gte", "in", "notIn"];
const lengths = ["len", "minLen", "maxLen"];

function demandsOf(type, demands, where) {
  const { ignoreEmpty, required, ...rest } = demands;
  const common = flags({ ignoreEmpty, required }, ["ignoreEmpty", "required"]);
  if (numbers.includes(type)) return { kind: "number", ...only(rest, order, where), ...common };
  if (bigints.includes(type)) return { kind: "bigint", ...only(rest, order, where), ...common };
  switch (type) {
    case "message":
      return { kind: "message", ...common };
    case "bool":
      return { kind: "bool", ...only(rest, ["const"], where), ...common };
    case "string":
      return { kind: "string", ...stringDemands(rest, where), ...common };
    case "bytes":
      return { kind: "bytes", ...sizes(only(rest, lengths, where)), ...common };
    case "enum": {
      const { definedOnly, ...more } = rest;
      return {
        kind: "enum",
        ...flags({ definedOnly }, ["definedOnly"]),
        ...only(more, ["const", "in", "notIn"], where),
      };
    }
    case "repeated": {
      const { unique, items, ...more } = rest;
      return {
        kind: "repeated",
        ...sizes(only(more, ["minItems", "maxItems"], where)),
        ...flags({ unique }, ["unique"]),
        ...compact({ items: items && ruleOf(items, where) }),
        ...common,
      };
    }
    case "map": {
      const { noSparse, keys, values, ...more } = rest;
      return {
        kind: "map",
        ...sizes(only(more, ["minPairs", "maxPairs"], where)),
        ...flags({ noSparse }, ["noSparse"]),
        ...compact({ keys: keys && ruleOf(keys, where), values: values && ruleOf(values, where) }),
        ...common,
      };
    }
    case "any":
      return { kind: "any", ...only(rest, ["in", "notIn"], where), ...common };
    case "duration":
      return { kind: "duration", ...only(rest, order, where), ...common };
    default:
      throw new Error(`Cannot read the rules of ${where}: ${type} is not known here`);
  }
}

function stringDemands(demands, where) {
  const texts = ["pattern", "prefix", "suffix", "contains", "notContains", "const", "in", "notIn"];
  const counts = [...lengths, "lenBytes", "minBytes", "maxBytes"];
  const known = wellKnown.find((name) => demands[name]);
  const { wellKnownRegex: regex, strict, ...rest } = demands;
  const others = Object.fromEntries(
    Object.entries(rest).filter(([name]) => !wellKnown.includes(name)),
  );
  return {
    ...sizes(only(others, [...texts, ...counts], where)),
    ...compact({ wellKnown: known ?? wellKnownRegex[regex] }),
    ...(strict === false ? { strict } : {}),
  };
}

/** Counts are uint64 in the protos and far below 2^53 in truth. */
function sizes(demands) {
  return Object.fromEntries(
    Object.entries(demands).map(([name, value]) => [
      name,
      typeof value === "bigint" ? Number(value) : value,
    ]),
  );
}

function only(demands, known, where) {
  const unknown = Object.keys(demands).filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new Error(`Cannot read the rules of ${where}: ${unknown.join()} is not known here`);
  return demands;
}

function flags(from, names) {
  return Object.fromEntries(names.filter((name) => from[name]).map((name) => [name, true]));
}

/** Without what is undefined or an empty list. */
function compact(object) {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => value !== undefined && value.length !== 0),
  );
}

/** JSON, but with bigint literals and bare keys. */
function literal(value) {
  if (typeof value === "bigint") return `${value}n`;
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  return `{ ${Object.entries(value)
    .map(([name, item]) => `${name}: ${literal(item)}`)
    .join(", ")} }`;
}
