import type { DescField, DescMessage, Message, MessageShape, Registry } from "@bufbuild/protobuf";
import { type Any, AnySchema, anyUnpack } from "@bufbuild/protobuf/wkt";
import { encodeResource } from "./encode.ts";
import { constraints, type FieldConstraint, type Rule } from "./gen/constraints.ts";
import type { Resource, ResourceKey } from "./resource.ts";
import { brokenRules } from "./rules.ts";

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
  visit({ schema, message, path: "" }, { found, extensions });
  return found;
}

// An operator reads the first few; a broken template breaks each of a thousand endpoints.
const maxViolations = 20;

interface Place {
  readonly schema: DescMessage;
  readonly message: Message;
  /** Ends with a dot, or is empty. */
  readonly path: string;
}

interface Walk {
  readonly found: string[];
  readonly extensions: Registry | undefined;
}

function visit(place: Place, walk: Walk): void {
  if (walk.found.length >= maxViolations) return;
  const { schema, path } = place;
  const record = place.message as unknown as Readonly<Record<string, unknown>>;
  const own = constraints[schema.typeName];
  for (const oneof of own?.oneofs ?? []) {
    if (caseOf(record[oneof]) === undefined) walk.found.push(`${path}${oneof}: must be set`);
  }
  for (const field of planOf(schema)) {
    const value = valueOf(record, field.desc);
    const fieldPath = `${path}${field.desc.localName}`;
    // The rules of a oneof's case hold only while that case is set.
    const isOtherCase = value === undefined && field.desc.oneof !== undefined;
    if (field.rule !== undefined && !isOtherCase) {
      check({ value, path: fieldPath, rule: field.rule, desc: field.desc }, walk);
    }
    if (value === undefined || (field.rule !== undefined && isSkipped(field.rule))) continue;
    if (field.child !== undefined) descend({ value, path: fieldPath, child: field.child }, walk);
  }
}

interface PlannedField {
  readonly desc: DescField;
  readonly rule?: Rule;
  /** The message type of the field, its items or its values. */
  readonly child?: DescMessage;
}

const plans = new Map<DescMessage, readonly PlannedField[]>();

/** The fields of a type that need a look, worked out once. */
function planOf(schema: DescMessage): readonly PlannedField[] {
  const known = plans.get(schema);
  if (known !== undefined) return known;
  const rules = new Map(rulesOf(schema).map(({ number, rule }) => [number, rule]));
  const plan = schema.fields
    .map((desc): PlannedField => {
      const rule = rules.get(desc.number);
      const child = childOf(desc);
      return {
        desc,
        ...(rule === undefined ? {} : { rule }),
        ...(child === undefined ? {} : { child }),
      };
    })
    .filter(({ rule, child }) => rule !== undefined || child !== undefined);
  plans.set(schema, plan);
  return plan;
}

function rulesOf(schema: DescMessage): readonly FieldConstraint[] {
  return constraints[schema.typeName]?.fields ?? [];
}

function childOf(desc: DescField): DescMessage | undefined {
  const child = desc.message;
  // Wrappers are plain values here and structs plain JSON; of the well-known types only Any holds more.
  const isLeaf =
    child?.typeName.startsWith("google.protobuf.") && child.typeName !== AnySchema.typeName;
  return isLeaf ? undefined : child;
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
  readonly path: string;
  readonly rule: Rule;
  readonly desc: DescField;
}

function check({ value, path, rule, desc }: Judged, walk: Walk): void {
  if (value === undefined) {
    if ("required" in rule && rule.required === true) walk.found.push(`${path}: must be set`);
    return;
  }
  const enumValues = desc.enum && new Set(desc.enum.values.map(({ number }) => number));
  const options = enumValues === undefined ? {} : { enumValues };
  for (const broken of brokenRules(rule, value, options)) walk.found.push(`${path}: ${broken}`);
  const each = (items: Rule | undefined, entries: Iterable<readonly [string, unknown]>): void => {
    if (items === undefined) return;
    for (const [key, item] of entries)
      check({ value: item, path: `${path}[${key}]`, rule: items, desc }, walk);
  };
  if (rule.kind === "repeated" && Array.isArray(value)) each(rule.items, indexed(value));
  if (rule.kind !== "map" || typeof value !== "object" || value === null) return;
  each(
    rule.keys,
    Object.keys(value).map((key) => [key, key] as const),
  );
  each(rule.values, Object.entries(value));
}

function isSkipped(rule: Rule): boolean {
  const items = rule.kind === "repeated" ? rule.items : rule.kind === "map" ? rule.values : rule;
  return items !== undefined && "skip" in items && items.skip === true;
}

function descend(
  {
    value,
    path,
    child,
  }: { readonly value: unknown; readonly path: string; readonly child: DescMessage },
  walk: Walk,
): void {
  const into = (item: unknown, at: string): void => {
    if (!isMessage(item)) return;
    if (child.typeName === AnySchema.typeName) unpack({ any: item as Any, path: at }, walk);
    else visit({ schema: child, message: item, path: `${at}.` }, walk);
  };
  if (Array.isArray(value)) for (const [key, item] of indexed(value)) into(item, `${path}[${key}]`);
  else if (isMessage(value)) into(value, path);
  else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) into(item, `${path}[${key}]`);
  }
}

function unpack({ any, path }: { readonly any: Any; readonly path: string }, walk: Walk): void {
  const { extensions } = walk;
  if (extensions === undefined) return;
  const message = anyUnpack(any, extensions);
  const schema = message && extensions.getMessage(message.$typeName);
  if (message !== undefined && schema !== undefined)
    visit({ schema, message, path: `${path}.` }, walk);
}

function isMessage(value: unknown): value is Message {
  return typeof value === "object" && value !== null && "$typeName" in value;
}

function indexed(list: readonly unknown[]): readonly (readonly [string, unknown])[] {
  return list.map((item, index) => [String(index), item] as const);
}
