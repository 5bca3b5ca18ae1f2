import { isEligible } from "./levels.ts";
import type { Host, Pool } from "./pool.ts";

export function noteConnected(host: Host): void {
  host.failures = 0;
}

/**
 * Counts a failed connect or handshake; true when it ejected the host. An ejection lasts base ×
 * number, up to the cap; the number falls by one for every interval spent without.
 * Source: Envoy, outlier detection: consecutive local-origin failures.
 */
export function noteFailure(
  pool: Pool,
  { host, nowMs }: { readonly host: Host; readonly nowMs: number },
): boolean {
  const { outlier } = pool.model;
  host.failures += 1;
  if (outlier === undefined || host.failures < outlier.consecutiveFailures) return false;
  if (!isEligible(host, nowMs) || isCrowded(pool, nowMs)) return false;
  const calmMs = host.ejectedUntilMs === 0 ? 0 : nowMs - host.ejectedUntilMs;
  const forgiven = Math.floor(calmMs / Math.max(1, outlier.intervalMs));
  host.ejections = Math.max(0, host.ejections - forgiven) + 1;
  host.ejectedUntilMs =
    nowMs +
    Math.min(
      outlier.baseEjectionMs * host.ejections,
      Math.max(outlier.baseEjectionMs, outlier.maxEjectionMs),
    );
  host.failures = 0;
  pool.levels = undefined;
  return true;
}

function isCrowded(pool: Pool, nowMs: number): boolean {
  const ejected = [...pool.hosts.values()].filter(
    ({ ejectedUntilMs }) => ejectedUntilMs > nowMs,
  ).length;
  return (100 * ejected) / pool.hosts.size >= (pool.model.outlier?.maxEjectionPercent ?? 0);
}
