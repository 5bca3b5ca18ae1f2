import { maxUnhealthyPerHealthy } from "../settings.ts";
import type { PlannedHost, PlannedLevel } from "./plan.ts";
import { hostsOf, isHealthy } from "./plan.ts";

// Envoy refuses an assignment whose weights add up to more, within a locality and across a priority.
const maxWeightSum = 0xffff_ffff;

/**
 * Per level at most 99 unhealthy for each healthy, in weight and in number: beyond that the level's
 * share rounds to zero, or panic sets in, and the last healthy endpoints get nothing. The rest is
 * dropped; nobody would be sent to it.
 */
export function boundLevel(level: PlannedLevel): PlannedLevel {
  const healthy = hostsOf(level).filter(isHealthy);
  if (healthy.length === 0) return level;
  let number = maxUnhealthyPerHealthy * healthy.length;
  let weight = maxUnhealthyPerHealthy * sumOf(healthy);
  const take = (host: PlannedHost): PlannedHost[] => {
    if (isHealthy(host)) return [host];
    const taken = Math.min(host.weight, weight);
    if (number < 1 || taken < 1) return [];
    number -= 1;
    weight -= taken;
    return [{ ...host, weight: taken }];
  };
  const localities = level.localities.map((locality) => ({
    ...locality,
    hosts: locality.hosts.flatMap(take),
  }));
  return { ...level, localities: localities.filter((locality) => locality.hosts.length > 0) };
}

/** Scales weights down where their sum would not fit 32 bits; the smallest stay at 1. */
export function boundWeights(level: PlannedLevel): PlannedLevel {
  const hosts = hostsOf(level);
  const hostFactor = factorFor(sumOf(hosts), hosts.length);
  const localityFactor = factorFor(sumOf(level.localities), level.localities.length);
  if (hostFactor === 1 && localityFactor === 1) return level;
  const localities = level.localities.map((locality) => ({
    ...locality,
    weight: fitted(locality.weight, localityFactor),
    hosts: locality.hosts.map((host) => ({ ...host, weight: fitted(host.weight, hostFactor) })),
  }));
  return { ...level, localities };
}

function factorFor(sum: number, count: number): number {
  return sum <= maxWeightSum ? 1 : (maxWeightSum - count) / sum;
}

function fitted(weight: number, factor: number): number {
  return Math.max(1, Math.floor(weight * factor));
}

function sumOf(items: readonly { readonly weight: number }[]): number {
  return items.reduce((sum, item) => sum + item.weight, 0);
}
