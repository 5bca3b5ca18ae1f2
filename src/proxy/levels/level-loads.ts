import { overprovisioningFactor } from "../settings.ts";
import type { PlannedLevel, PlannedLocality } from "./plan.ts";
import { hostsOf, isHealthy } from "./plan.ts";

/**
 * Which percentage of new requests each priority takes, by Envoy's rule with `weightedPriorityHealth`:
 * 140 % of the healthy weight, what is missing goes to the next. All 0 when nobody is healthy.
 * Source: Envoy, "Priority levels".
 */
export function levelLoads(levels: readonly PlannedLevel[]): number[] {
  const health = levels.map(healthPercent);
  const total = Math.min(
    100,
    health.reduce((sum, percent) => sum + percent, 0),
  );
  if (total === 0) return levels.map(() => 0);
  let left = 100;
  const loads = health.map((percent) => {
    const load = Math.min(left, Math.floor((percent * 100) / total));
    left -= load;
    return load;
  });
  // What rounding left over goes to the first level that is alive at all.
  const first = health.findIndex((percent) => percent > 0);
  return loads.map((load, index) => (index === first ? load + left : load));
}

function healthPercent(level: PlannedLevel): number {
  const hosts = hostsOf(level);
  const total = hosts.reduce((sum, host) => sum + host.weight, 0);
  const healthy = hosts.filter(isHealthy).reduce((sum, host) => sum + host.weight, 0);
  return total === 0 ? 0 : Math.min(100, Math.floor((overprovisioningFactor * healthy) / total));
}

/** Which part (0..1) of its level's requests each locality takes: its weight, as far as it is healthy. */
export function localityShares(level: PlannedLevel): number[] {
  const weights = level.localities.map(effectiveWeight);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => (sum === 0 ? 0 : weight / sum));
}

function effectiveWeight(locality: PlannedLocality): number {
  const healthy = locality.hosts.filter(isHealthy).length;
  const available = (overprovisioningFactor / 100) * (healthy / locality.hosts.length);
  return locality.weight * Math.min(1, available);
}
