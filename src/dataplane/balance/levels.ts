import type { Host, Level, LocalityShare, Pool } from "./pool.ts";

/**
 * How new connections spread over the levels.
 * Source: Envoy, load balancing overview: priority levels, overprovisioning factor, panic threshold,
 * locality weighted load balancing.
 */
export function levelsOf(pool: Pool, nowMs: number): Level[] {
  const byPriority = new Map<number, Host[]>();
  for (const host of pool.hosts.values()) {
    const list = byPriority.get(host.model.priority);
    if (list === undefined) byPriority.set(host.model.priority, [host]);
    else list.push(host);
  }
  const priorities = [...byPriority.keys()].sort((a, b) => a - b);
  const levels = priorities.map((priority) =>
    levelOf(pool, { priority, hosts: byPriority.get(priority) ?? [], nowMs }),
  );
  shareLoad(
    levels.map(({ level }) => level),
    levels.map(({ available }) => available),
  );
  spreadPanic(levels, pool.model.panicPercent);
  return levels.map(({ level }) => level);
}

/** Whether new connections may go to it when nothing is in panic. */
export function isEligible(host: Host, nowMs: number): boolean {
  return host.model.health === "healthy" && host.ejectedUntilMs <= nowMs;
}

interface Rated {
  readonly level: Level;
  /** 0..100, overprovisioning included. */
  readonly available: number;
  /** 0..100, by number of hosts. */
  readonly healthyPercent: number;
}

function levelOf(
  pool: Pool,
  {
    priority,
    hosts,
    nowMs,
  }: { readonly priority: number; readonly hosts: readonly Host[]; readonly nowMs: number },
): Rated {
  // A draining host neither takes connections nor counts as a loss.
  const counted = hosts.filter(({ model }) => model.health !== "draining");
  const eligible = counted.filter((host) => isEligible(host, nowMs));
  const size = (list: readonly Host[]): number =>
    pool.assignment.isHealthWeighted
      ? list.reduce((sum, { model }) => sum + model.weight, 0)
      : list.length;
  const { overprovisioningPercent } = pool.assignment;
  const share = counted.length === 0 ? 0 : size(eligible) / size(counted);
  const level: Level = {
    priority,
    load: 0,
    isPanic: false,
    all: hosts,
    localities: localitiesOf(pool, { counted, nowMs }),
  };
  return {
    level,
    available: Math.min(100, Math.floor(overprovisioningPercent * share)),
    healthyPercent: counted.length === 0 ? 0 : (100 * eligible.length) / counted.length,
  };
}

function localitiesOf(
  pool: Pool,
  { counted, nowMs }: { readonly counted: readonly Host[]; readonly nowMs: number },
): LocalityShare[] {
  if (!pool.model.isLocalityWeighted) {
    return [{ weight: 1, hosts: counted.filter((host) => isEligible(host, nowMs)) }];
  }
  const groups = new Map<string, Host[]>();
  for (const host of counted) {
    const list = groups.get(host.model.locality);
    if (list === undefined) groups.set(host.model.locality, [host]);
    else list.push(host);
  }
  return [...groups.values()].map((group) => {
    const hosts = group.filter((host) => isEligible(host, nowMs));
    const ratio = (pool.assignment.overprovisioningPercent / 100) * (hosts.length / group.length);
    return { weight: (group[0]?.model.localityWeight ?? 0) * Math.min(1, ratio), hosts };
  });
}

/** Level n+1 gets what level n cannot take; too little in all is stretched to 100. */
function shareLoad(levels: readonly Level[], available: readonly number[]): void {
  const total = Math.min(
    100,
    available.reduce((sum, part) => sum + part, 0),
  );
  if (total === 0) return;
  let left = 100;
  for (const [index, level] of levels.entries()) {
    level.load = Math.min(left, Math.floor(((available[index] ?? 0) * 100) / total));
    left -= level.load;
  }
  const first = levels.find((_, index) => (available[index] ?? 0) > 0);
  if (first !== undefined) first.load += left;
}

function spreadPanic(rated: readonly Rated[], panicPercent: number): void {
  if (panicPercent === 0) return;
  const total = rated.reduce((sum, { available }) => sum + available, 0);
  for (const { level, healthyPercent } of rated) {
    level.isPanic = total === 0 || (total < 100 && healthyPercent < panicPercent);
  }
  if (!rated.every(({ level }) => level.isPanic)) return;
  const hosts = rated.reduce((sum, { level }) => sum + level.all.length, 0);
  for (const { level } of rated) level.load = hosts === 0 ? 0 : (100 * level.all.length) / hosts;
}
