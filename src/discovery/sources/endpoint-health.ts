import type { Health } from "../../mesh/service.ts";

/** Conditions of an EndpointSlice endpoint; undefined means "unknown". */
export interface EndpointConditions {
  readonly ready: boolean | undefined;
  readonly serving: boolean | undefined;
  readonly terminating: boolean | undefined;
}

/**
 * Unknown readiness counts as ready, unknown termination as none. A terminating endpoint that still
 * serves finishes what it has; without a stated `serving` it does so only when it calls itself ready.
 * Source: Kubernetes API reference, EndpointSlice v1, EndpointConditions.
 */
export function healthOf(conditions: EndpointConditions): Health {
  const isReady = conditions.ready !== false;
  if (conditions.terminating !== true) return isReady ? "healthy" : "unhealthy";
  return (conditions.serving ?? isReady) ? "draining" : "unhealthy";
}

const rank: Readonly<Record<Health, number>> = { unhealthy: 0, draining: 1, healthy: 2 };

/** The more careful of two opinions about one workload. */
export function worseHealth(a: Health, b: Health): Health {
  return rank[a] <= rank[b] ? a : b;
}
