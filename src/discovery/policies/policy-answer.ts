import type { ObjectRef } from "../kubernetes/kube-api.ts";

/** What matters of a policy object to whoever answers it. */
export interface SeenPolicy {
  readonly ref: ObjectRef;
  readonly generation: number;
  /** Each as `type=status/reason@generation`. */
  readonly conditions: ReadonlySet<string>;
}

/** Undefined for what is no object with a name: the API server sends none. */
export function seenPolicy(object: unknown): SeenPolicy | undefined {
  const metadata = fieldsOf(fieldsOf(object)["metadata"]);
  const { name, namespace, generation } = metadata;
  if (typeof name !== "string") return undefined;
  const conditions: unknown = fieldsOf(fieldsOf(object)["status"])["conditions"];
  return {
    ref: { name, ...(typeof namespace === "string" ? { namespace } : {}) },
    generation: typeof generation === "number" ? generation : 0,
    conditions: new Set((Array.isArray(conditions) ? conditions : []).map(markOf)),
  };
}

/**
 * The status of an object that this version knows and does not act upon: whoever wrote it must not believe that
 * it has an effect. Undefined when that stands there already. Source: Gateway API, GEP-1364 (conditions).
 */
export function notActedUpon(
  { generation, conditions }: SeenPolicy,
  about: { readonly kind: string; readonly now: Date },
): object | undefined {
  const message = `This version of isthmus does not act on ${about.kind}`;
  const wished = [
    { type: "Accepted", status: "False", reason: "NotActedUpon", message },
    { type: "Programmed", status: "False", reason: "NotActedUpon", message },
  ].map((condition) => ({ ...condition, observedGeneration: generation }));
  if (wished.every((condition) => conditions.has(markOf(condition)))) return undefined;
  const lastTransitionTime = about.now.toISOString().replace(/\.\d+Z$/, "Z");
  return {
    status: {
      observedGeneration: generation,
      conditions: wished.map((condition) => ({ ...condition, lastTransitionTime })),
    },
  };
}

function markOf(condition: unknown): string {
  const { type, status, reason, observedGeneration } = fieldsOf(condition);
  return `${String(type)}=${String(status)}/${String(reason)}@${String(observedGeneration)}`;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
