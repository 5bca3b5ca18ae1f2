import type { Conflict } from "./merge-exports.ts";

/** `metav1.Condition` without what only the object at hand can tell. */
export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
}

/** As it stands in an object. */
export interface StatedCondition extends Condition {
  /** RFC 3339, whole seconds. */
  readonly lastTransitionTime: string;
  readonly observedGeneration?: number;
}

// The API's own limit.
const maxMessageChars = 32_768;
const maxReasonChars = 1024;

/** What Kubernetes has for the Service of an export's name. */
export type ExportedService = "absent" | "external" | "present";

/**
 * What a ServiceExport of this member is told. Source: mcs-api v1beta1, ServiceExport conditions;
 * KEP-1645 wants Conflict on every export that takes part.
 */
export function exportConditions(known: {
  readonly service: ExportedService;
  /** Why the export is not with the other members yet; undefined: it is. */
  readonly pending: string | undefined;
  readonly conflicts: readonly Conflict[];
}): readonly Condition[] {
  const { service, pending, conflicts } = known;
  if (service === "absent") {
    return refused(
      "NoService",
      "there is no Service of this name; create it, or delete the export",
    );
  }
  if (service === "external") {
    const remedy =
      "it is an ExternalName Service, which has no workloads; export the one behind it";
    return refused("InvalidServiceType", remedy);
  }
  return [
    condition("Valid", { status: "True", reason: "Valid", message: "the Service can be exported" }),
    pending === undefined
      ? condition("Ready", {
          status: "True",
          reason: "Exported",
          message: "the other members can import it",
        })
      : condition("Ready", { status: "False", reason: "Pending", message: pending }),
    conflictCondition(conflicts),
  ];
}

function refused(reason: string, message: string): readonly Condition[] {
  return [
    condition("Valid", { status: "False", reason, message }),
    condition("Ready", { status: "False", reason: "Failed", message: `not exported: ${message}` }),
  ];
}

function conflictCondition(conflicts: readonly Conflict[]): Condition {
  if (conflicts.length === 0) {
    const message = "all exports of this service agree";
    return condition("Conflict", { status: "False", reason: "NoConflicts", message });
  }
  return condition("Conflict", {
    status: "True",
    reason: conflicts.map(({ reason }) => reason).join(","),
    message: conflicts.map(({ message }) => message).join("; "),
  });
}

/** Bounded by what the API takes. */
export function condition(type: string, what: Omit<Condition, "type">): Condition {
  const message = what.message.slice(0, maxMessageChars);
  return { type, ...what, reason: what.reason.slice(0, maxReasonChars), message };
}

/** With the time of its last change: the one it had, unless its status is another now. */
export function stated(
  conditions: readonly Condition[],
  at: {
    readonly before: readonly StatedCondition[];
    /** RFC 3339 */
    readonly now: string;
    readonly generation: number | undefined;
  },
): readonly StatedCondition[] {
  return conditions.map((one) => {
    const before = at.before.find(({ type }) => type === one.type);
    const isSame = before !== undefined && before.status === one.status;
    return {
      ...one,
      lastTransitionTime: isSame ? before.lastTransitionTime : at.now,
      ...(at.generation === undefined ? {} : { observedGeneration: at.generation }),
    };
  });
}
