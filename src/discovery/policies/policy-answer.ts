import type { ObjectRef } from "../kubernetes/kube-api.ts";

/** What matters of a policy object to whoever answers it. */
export interface SeenPolicy {
  readonly ref: ObjectRef;
  readonly generation: number;
  /** By type. */
  readonly conditions: ReadonlyMap<string, SeenCondition>;
}

interface SeenCondition {
  readonly status: unknown;
  readonly reason: unknown;
  readonly observedGeneration: unknown;
  readonly lastTransitionTime: unknown;
}

/** What is to be said of it. */
export interface PolicyAnswer {
  readonly conditions: readonly Condition[];
  readonly proxies?: { readonly told: number; readonly acknowledged: number };
}

export interface Condition {
  readonly type: "Accepted" | "Programmed";
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
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
    conditions: new Map((Array.isArray(conditions) ? conditions : []).map(conditionOf)),
  };
}

/** Of a kind that this version knows and does not act upon: whoever wrote it must not believe that it has an effect. */
export function notActedUpon(kind: string): PolicyAnswer {
  const message = `This version of isthmus does not act on ${kind}`;
  return refusal("NotActedUpon", message);
}

/** Neither accepted nor programmed. */
export function refusal(reason: string, message: string): PolicyAnswer {
  return {
    conditions: [
      { type: "Accepted", status: "False", reason, message },
      { type: "Programmed", status: "False", reason, message },
    ],
  };
}

/**
 * What to write into an object so that its status gives this answer; undefined when it does. Counts alone are not
 * worth a write: proxies come and go. Source: Gateway API, GEP-1364 (conditions).
 */
export function statusPatch(
  { generation, conditions }: SeenPolicy,
  { answer, now }: { readonly answer: PolicyAnswer; readonly now: Date },
): object | undefined {
  const isSaid = ({ type, status, reason }: Condition): boolean => {
    const said = conditions.get(type);
    const isSame = said?.status === status && said.reason === reason;
    return isSame && said.observedGeneration === generation;
  };
  if (answer.conditions.every(isSaid)) return undefined;
  const nowText = now.toISOString().replace(/\.\d+Z$/, "Z");
  const timed = answer.conditions.map((condition) => {
    const said = conditions.get(condition.type);
    const isSame = said?.status === condition.status && typeof said.lastTransitionTime === "string";
    const lastTransitionTime = isSame ? said.lastTransitionTime : nowText;
    return { ...condition, observedGeneration: generation, lastTransitionTime };
  });
  const proxies = answer.proxies ?? null;
  return { status: { observedGeneration: generation, conditions: timed, proxies } };
}

function conditionOf(condition: unknown): [string, SeenCondition] {
  const { type, status, reason, observedGeneration, lastTransitionTime } = fieldsOf(condition);
  return [String(type), { status, reason, observedGeneration, lastTransitionTime }];
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
