import type { HealthCheck } from "../../../mesh/health-check.ts";

/** What one probe found. */
export type ProbeOutcome =
  | { readonly t: "passed" }
  /** A short sentence for people, without line ends. */
  | { readonly t: "failed"; readonly reason: string };

/** What is told of a workload. */
export interface WorkloadHealth {
  readonly isHealthy: boolean;
  /** Of the failure that decided; absent: it is healthy. */
  readonly reason?: string;
}

/**
 * Makes health out of outcomes. Before the first one nobody is told anything; the first failure counts at
 * once, because whoever is not known to serve is not used anyway. Returns what changed; undefined: nothing.
 */
export function createHealthJudge(
  thresholds: Pick<HealthCheck, "failureThreshold" | "successThreshold">,
): (outcome: ProbeOutcome) => WorkloadHealth | undefined {
  let state: WorkloadHealth["isHealthy"] | undefined;
  let row: { readonly t: ProbeOutcome["t"]; readonly count: number } = { t: "passed", count: 0 };
  return (outcome) => {
    row = { t: outcome.t, count: row.t === outcome.t ? row.count + 1 : 1 };
    const isHealthy = outcome.t === "passed";
    if (isHealthy === state) return undefined;
    if (row.count < needed(outcome.t)) return undefined;
    state = isHealthy;
    return outcome.t === "passed" ? { isHealthy } : { isHealthy, reason: outcome.reason };
  };

  function needed(t: ProbeOutcome["t"]): number {
    if (t === "passed") return thresholds.successThreshold;
    return state === undefined ? 1 : thresholds.failureThreshold;
  }
}
