import type { ServiceId } from "../../mesh/ids.ts";
import type { Finding } from "../../mesh/service.ts";
import type { ReadProblem } from "../sources/kubernetes/retry-pace.ts";

// A right that is missing fails for every service; nobody reads more.
const maxPerKind = 100;

/** What an operator has to know of this cluster's imports. */
export function mcsFindings(known: {
  /** What stands in the way of an import, by service. */
  readonly blocked: ReadonlyMap<ServiceId, string>;
  /** What the API server refused to take. */
  readonly failed: ReadonlyMap<ServiceId, { readonly reason: string }>;
  /** Why imports cannot even be read. */
  readonly missing: ReadProblem | undefined;
  /** They were read before. */
  readonly isKnown: boolean;
}): readonly Finding[] {
  const blocked = [...known.blocked].slice(0, maxPerKind).map(
    ([subject, message]): Finding => ({
      code: "MCS_NAME_TAKEN",
      severity: "warning",
      subject,
      message,
    }),
  );
  const failed = [...known.failed].slice(0, maxPerKind).map(
    ([subject, { reason }]): Finding => ({
      code: "MCS_WRITE_REFUSED",
      severity: "error",
      subject,
      message: `its import is not as it should be: ${reason}`,
    }),
  );
  return [...missingFinding(known), ...blocked, ...failed];
}

function missingFinding({
  missing: problem,
  isKnown,
}: {
  readonly missing: ReadProblem | undefined;
  readonly isKnown: boolean;
}): readonly Finding[] {
  if (problem === undefined) return [];
  const isAbsent = problem.t === "refused" && problem.code === 404;
  const effect = isKnown ? "nothing more is imported, and nothing goes" : "nothing is imported";
  const message = isAbsent
    ? `this cluster has no ServiceImports, so ${effect}; apply deploy/crds`
    : `ServiceImports cannot be read, so ${effect}: ${reasonOf(problem)}`;
  return [{ code: "MCS_UNREADABLE", severity: "error", subject: "ServiceImport", message }];
}

function reasonOf(problem: ReadProblem): string {
  return problem.t === "refused" ? problem.message : problem.reason;
}
