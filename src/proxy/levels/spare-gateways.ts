import { overprovisioningFactor } from "../settings.ts";
import { boundLevel } from "./bounds.ts";
import type { PlannedHost, PlannedLevel } from "./plan.ts";
import { hostsOf, isHealthy } from "./plan.ts";

/** Levels as proxies are told of them, and the factor (percent) by which those let a level spill over. */
export interface SparedLevels {
  readonly levels: readonly PlannedLevel[];
  readonly factor: number;
}

// One gateway may stand for a zone with nearly all endpoints. Beyond this the little that is left spills over.
const maxFactor = 1_000;
// What rounding down and dead gateways of weight 1 take.
const margin = 1.05;

/**
 * A workload that dies takes capacity along, a gateway does not: its siblings lead to the same workloads. A proxy
 * that ejects one of two would send 30 % to the next region, until the agent leaves the dead one out. So where
 * only gateways serve, the factor is such that any one of a member's may die, and what is known to be missing
 * weighs as much more: the part that each level takes is the same as before.
 */
export function withSpareGateways(levels: readonly PlannedLevel[]): SparedLevels {
  const healthy = levels.flatMap(hostsOf).filter(isHealthy);
  const isByGateways = healthy.every(({ via }) => via.t === "gateway");
  const wanted = isByGateways ? Math.max(0, ...levels.map(factorToLoseOne)) : 0;
  const factor = Math.min(maxFactor, wanted);
  if (factor <= overprovisioningFactor) return { levels, factor: overprovisioningFactor };
  return { levels: levels.map((level) => weighedFor(level, factor)), factor };
}

/** 0 where no member has a second gateway: losing the only one is losing the member. */
function factorToLoseOne(level: PlannedLevel): number {
  const all = weightOf(hostsOf(level).filter(isHealthy));
  const spared = [...byMember(level).values()]
    .filter((hosts) => hosts.length > 1)
    .map((hosts) => all - Math.max(...hosts.map(({ weight }) => weight)));
  return spared.length === 0 ? 0 : Math.ceil((100 * margin * all) / Math.min(...spared));
}

function byMember(level: PlannedLevel): ReadonlyMap<string, readonly PlannedHost[]> {
  const members = new Map<string, PlannedHost[]>();
  for (const { member, hosts } of level.localities) {
    members.set(member, [...(members.get(member) ?? []), ...hosts.filter(isHealthy)]);
  }
  return members;
}

/** Whole by the usual factor: nothing is missing. Otherwise as little of it healthy as makes the same part. */
function weighedFor(level: PlannedLevel, factor: number): PlannedLevel {
  const hosts = hostsOf(level);
  const healthy = weightOf(hosts.filter(isHealthy));
  const all = weightOf(hosts);
  if (healthy === 0 || healthy === all) return level;
  const isWhole = overprovisioningFactor * healthy >= 100 * all;
  const missing = isWhole ? 0 : (factor / overprovisioningFactor) * all - healthy;
  const scale = missing / (all - healthy);
  const localities = level.localities.map((locality) => ({
    ...locality,
    hosts: locality.hosts.map((host) => reweighed(host, scale)),
  }));
  return boundLevel({ ...level, localities });
}

function reweighed(host: PlannedHost, scale: number): PlannedHost {
  return isHealthy(host) ? host : { ...host, weight: Math.max(1, Math.round(host.weight * scale)) };
}

function weightOf(hosts: readonly PlannedHost[]): number {
  return hosts.reduce((sum, { weight }) => sum + weight, 0);
}
