import type { Endpoint, Health, HealthProbe } from "../../mesh/service.ts";
import { worseHealth } from "./endpoint-health.ts";

/** What the probes of one workload add up to. */
export type ProbeState =
  | { readonly t: "unknown"; readonly tries: number }
  | { readonly t: "up"; readonly failures: number }
  | { readonly t: "down"; readonly successes: number };

/** `void`: the process was too busy to judge, so the answer counts for nothing. */
export type ProbeOutcome = "ok" | "failed" | "void";

export interface ProbeRules {
  /** Failures in a row until a workload that was up is down. */
  readonly failuresToFall: number;
  /** Successes in a row until a workload that was down is up. */
  readonly successesToRise: number;
  /** Time between two probes of one workload. */
  readonly intervalMs: number;
  /** Time to the next probe while the last one leaves a doubt: the first failure, the first tries. */
  readonly doubtMs: number;
}

export const probeRules: ProbeRules = {
  // One lost packet or one slow answer is not a death; two in a row within a tenth of a second are.
  failuresToFall: 2,
  // A workload that answers can serve; flapping is damped where traffic is moved, not here.
  successesToRise: 1,
  // With a doubt's second look right after the first failure a crash shows in about a second.
  intervalMs: 1000,
  doubtMs: 100,
};

/**
 * A workload that was never probed is not yet up; one that already served keeps its standing until
 * the first results, or an edit of its probe would take it out of service.
 */
export function initialProbeState(wasHealthy: boolean): ProbeState {
  return wasHealthy ? { t: "up", failures: 0 } : { t: "unknown", tries: 0 };
}

/** The state after one more probe. */
export function afterProbe(
  state: ProbeState,
  { outcome, rules }: { readonly outcome: ProbeOutcome; readonly rules: ProbeRules },
): ProbeState {
  if (outcome === "void") return state;
  const isOk = outcome === "ok";
  switch (state.t) {
    case "unknown":
      if (isOk) return { t: "up", failures: 0 };
      return state.tries + 1 >= doubtfulTries
        ? { t: "down", successes: 0 }
        : { t: "unknown", tries: state.tries + 1 };
    case "up": {
      const failures = isOk ? 0 : state.failures + 1;
      return failures >= rules.failuresToFall ? { t: "down", successes: 0 } : { t: "up", failures };
    }
    case "down": {
      const successes = isOk ? state.successes + 1 : 0;
      return successes >= rules.successesToRise
        ? { t: "up", failures: 0 }
        : { t: "down", successes };
    }
  }
}

// A workload that starts together with its agent answers within its first second.
const doubtfulTries = 10;

/**
 * Time until the next probe, from the end of the last one. `random` in [0, 1) moves it by up to 10 %
 * so that a thousand workloads are not probed in one instant.
 */
export function nextProbeInMs(state: ProbeState, rules: ProbeRules, random: number): number {
  const isDoubtful =
    state.t === "unknown" ||
    (state.t === "up" && state.failures > 0) ||
    (state.t === "down" && state.successes > 0);
  const waitMs = isDoubtful ? rules.doubtMs : rules.intervalMs;
  return waitMs * (0.9 + 0.2 * random);
}

/** The endpoint as proxies may see it: what its source declares, at most as good as its probes say. */
export function probedEndpoint(endpoint: Endpoint, state: ProbeState): Endpoint {
  const { probe: _probe, ...rest } = endpoint;
  const probed: Health = state.t === "up" ? "healthy" : "unhealthy";
  return { ...rest, health: worseHealth(endpoint.health, probed) };
}

/** Endpoints of several services that mean one workload and ask for one probe share it. */
export function probeKeyOf(address: string, probe: HealthProbe): string {
  return `${address} ${JSON.stringify(probe)}`;
}
