import type { DescField, DescMessage, Message, MessageShape, Registry } from "@bufbuild/protobuf";
import { type Any, AnySchema, anyUnpack } from "@bufbuild/protobuf/wkt";
import { encodeResource } from "./encode.ts";
import { constraints, type Rule } from "./gen/constraints.ts";
import { packedIn } from "./pack.ts";
import type { Resource, ResourceKey } from "./resource.ts";
import { brokenRules } from "./rules.ts";
import { isShared, wholeOf } from "./shared.ts";

export type Checked =
  | { readonly t: "ok"; readonly resource: Resource }
  /** Not to be sent: Envoy would drop the whole response, the good resources in it included. */
  | { readonly t: "withheld"; readonly violations: readonly string[] };

/**
 * Encodes a message as a resource, if it satisfies its proto's own rules. What is packed in an `Any` is
 * checked too, as far as `extensions` knows its type.
 */
export function checkedResource<Desc extends DescMessage>(
  input: ResourceKey & {
    readonly schema: Desc;
    readonly message: MessageShape<Desc>;
    readonly mixVersion?: string;
    readonly extensions?: Registry;
  },
): Checked {
  const { extensions, ...content } = input;
  const violations = findViolations(input.schema, input.message, extensions);
  if (violations.length > 0) return { t: "withheld", violations };
  return { t: "ok", resource: encodeResource(content) };
}

/** One sentence per broken rule, with the path of the field, at most `maxViolations`. */
export function findViolations<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  extensions?: Registry,
): readonly string[] {
  const found: string[] = [];
  visit({ schema, message, trail: undefined }, { found, extensions });
  return found;
}

// An operator reads the first few; a broken template breaks each of a thousand endpoints.
const maxViolations = 20;

/** The way to a value, put into words only when something is wrong with it. */
interface Trail {
  readonly parent: Trail | undefined;
  readonly step: string | number;
}

function wordsOf(trail: Trail | undefined): string {
  if (trail === undefined) return "";
  const before = wordsOf(trail.parent);
  if (typeof trail.step === "number" || trail.step.startsWith("[")) {
    return `${before}${typeof trail.step === "number" ? `[${trail.step}]` : trail.step}`;
  }
  return before === "" ? trail.step : `${before}.${trail.step}`;
}

interface Place {
  readonly schema: DescMessage;
  readonly message: Message;
  readonly trail: Trail | undefined;
}

interface Walk {
  readonly found: string[];
  readonly extensions: Registry | undefined;
}

function visit({ schema, message, trail }: Place, walk: Walk): void {
  if (walk.found.length >= maxViolations) return;
  const record = message as unknown as Readonly<Record<string, unknown>>;
  const plan = planOf(schema);
  for (const oneof of plan.oneofs) {
    if (caseOf(record[oneof]) === undefined) {
      walk.found.push(`${wordsOf({ parent: trail, step: oneof })}: must be set`);
    }
  }
  for (const field of plan.fields) {
    const value = valueOf(record, field.desc);
    // The rules of a oneof's case hold only while that case is set.
    const isAbsent = value === undefined;
    if (isAbsent && (field.rule === undefined || field.desc.oneof !== undefined)) continue;
    const at = { parent: trail, step: field.desc.localName };
    if (field.rule !== undefined) check({ value, trail: at, rule: field.rule, field }, walk);
    if (isAbsent || field.child === undefined || field.isSkipped) continue;
    descend({ value, trail: at, child: field.child }, walk);
  }
}

interface Plan {
  readonly oneofs: readonly string[];
  readonly fields: readonly PlannedField[];
}

interface PlannedField {
  readonly desc: DescField;
  readonly rule?: Rule;
  /** The message type of the field, its items or its values, if any rule may apply inside. */
  readonly child?: DescMessage;
  readonly isSkipped: boolean;
  readonly enumValues?: ReadonlySet<number>;
}

const plans = new Map<DescMessage, Plan>();

/** What of a type needs a look, worked out once. */
function planOf(schema: DescMessage): Plan {
  const known = plans.get(schema);
  if (known !== undefined) return known;
  const own = constraints[schema.typeName];
  const rules = new Map(own?.fields?.map(({ number, rule }) => [number, rule]));
  const fields = schema.fields
    .map((desc) => plannedField(desc, rules.get(desc.number)))
    .filter(({ rule, child }) => rule !== undefined || child !== undefined);
  const plan = { oneofs: own?.oneofs ?? [], fields };
  plans.set(schema, plan);
  return plan;
}

function plannedField(desc: DescField, rule: Rule | undefined): PlannedField {
  const child = desc.message;
  return {
    desc,
    isSkipped: rule !== undefined && isSkipped(rule),
    ...(rule === undefined ? {} : { rule }),
    ...(child === undefined || !hasRulesInside(child) ? {} : { child }),
    ...(desc.enum === undefined
      ? {}
      : { enumValues: new Set(desc.enum.values.map(({ number }) => number)) }),
  };
}

/** Whether any rule may apply to a message of this type or to what it contains. */
function hasRulesInside(schema: DescMessage): boolean {
  const reached = new Set([schema]);
  for (const type of reached) {
    if (type.typeName === AnySchema.typeName) return true;
    // Wrappers are plain values here and structs plain JSON.
    if (type.typeName.startsWith("google.protobuf.")) continue;
    if (constraints[type.typeName] !== undefined) return true;
    for (const { message } of type.fields) if (message !== undefined) reached.add(message);
  }
  return false;
}

function caseOf(oneof: unknown): unknown {
  return typeof oneof === "object" && oneof !== null && "case" in oneof ? oneof.case : undefined;
}

/** Undefined: absent, by the rules of presence. */
function valueOf(record: Readonly<Record<string, unknown>>, desc: DescField): unknown {
  if (desc.oneof === undefined) return record[desc.localName];
  const oneof = record[desc.oneof.localName];
  const isSet = caseOf(oneof) === desc.localName;
  return isSet && typeof oneof === "object" && oneof !== null && "value" in oneof
    ? oneof.value
    : undefined;
}

interface Judged {
  readonly value: unknown;
  readonly trail: Trail;
  readonly rule: Rule;
  readonly field: PlannedField;
}

function check({ value: given, trail, rule, field }: Judged, walk: Walk): void {
  const value = wholeOf(given);
  if (value === undefined) {
    if ("required" in rule && rule.required === true) {
      walk.found.push(`${wordsOf(trail)}: must be set`);
    }
    return;
  }
  for (const broken of brokenRules(rule, value, field)) {
    walk.found.push(`${wordsOf(trail)}: ${broken}`);
  }
  const each = (items: Rule | undefined, entries: Iterable<readonly [string, unknown]>): void => {
    if (items === undefined) return;
    for (const [key, item] of entries) {
      const at = { parent: trail, step: `[${key}]` };
      check({ value: item, trail: at, rule: items, field }, walk);
    }
  };
  if (rule.kind === "repeated" && Array.isArray(value)) each(rule.items, Object.entries(value));
  if (rule.kind !== "map" || typeof value !== "object" || value === null) return;
  const entries = Object.entries(value);
  each(
    rule.keys,
    entries.map(([key]) => [key, key] as const),
  );
  each(rule.values, entries);
}

function isSkipped(rule: Rule): boolean {
  const items = rule.kind === "repeated" ? rule.items : rule.kind === "map" ? rule.values : rule;
  return items !== undefined && "skip" in items && items.skip === true;
}

interface Below {
  readonly value: unknown;
  readonly trail: Trail;
  readonly child: DescMessage;
}

function descend({ value, trail, child }: Below, walk: Walk): void {
  if (Array.isArray(value)) {
    for (const [step, item] of value.entries()) {
      enter({ value: item, trail: { parent: trail, step }, child }, walk);
    }
  } else if (isMessage(value)) enter({ value, trail, child }, walk);
  else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      enter({ value: item, trail: { parent: trail, step: `[${key}]` }, child }, walk);
    }
  }
}

/** Shared parts in which nothing was found, and what was known of extensions then. */
const sound = new WeakMap<object, Registry | undefined>();

function enter(below: Below, walk: Walk): void {
  const { value } = below;
  if (!isMessage(value) || walk.found.length >= maxViolations) return;
  const isSound = sound.has(value) && sound.get(value) === walk.extensions;
  if (isSound) return;
  const before = walk.found.length;
  look({ ...below, value: wholeOf(value) }, walk);
  if (isShared(value) && walk.found.length === before) sound.set(value, walk.extensions);
}

function look({ value, trail, child }: Below, walk: Walk): void {
  if (!isMessage(value)) return;
  if (child.typeName === AnySchema.typeName) unpack({ any: value as Any, trail }, walk);
  else visit({ schema: child, message: value, trail }, walk);
}

function unpack({ any, trail }: { readonly any: Any; readonly trail: Trail }, walk: Walk): void {
  const { extensions } = walk;
  if (extensions === undefined) return;
  const message = packedIn(any) ?? anyUnpack(any, extensions);
  const schema = message && extensions.getMessage(message.$typeName);
  if (message !== undefined && schema !== undefined) visit({ schema, message, trail }, walk);
}

function isMessage(value: unknown): value is Message {
  return typeof value === "object" && value !== null && "$typeName" in value;
}
