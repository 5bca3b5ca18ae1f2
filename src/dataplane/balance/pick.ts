import type { Random } from "../../mesh/ports.ts";
import { levelsOf } from "./levels.ts";
import type { Host, Level, LocalityShare, Pool } from "./pool.ts";

export interface Attempt {
  readonly nowMs: number;
  readonly random: Random;
  /** Failed for this connection already. */
  readonly tried: ReadonlySet<Host>;
}

// Two failures in one level say more about the level than about its hosts.
const triesPerLevel = 2;

/**
 * The host for the next attempt, or undefined when none is left. A first attempt follows loads and
 * weights; later ones avoid tried hosts and, after two failures in a level, the level; at the end
 * they try those held for dead.
 */
export function pickHost(pool: Pool, attempt: Attempt): Host | undefined {
  const levels = currentLevels(pool, attempt.nowMs);
  if (attempt.tried.size === 0) {
    const level = chooseLevel(levels, attempt);
    return level === undefined ? undefined : hostIn(level, { pool, attempt });
  }
  const tries = new Map<number, number>();
  for (const { model } of attempt.tried)
    tries.set(model.priority, (tries.get(model.priority) ?? 0) + 1);
  const open = levels.filter((level) => candidatesIn(level, attempt).length > 0);
  const fresh = open.filter(({ priority }) => (tries.get(priority) ?? 0) < triesPerLevel);
  // Tried levels come last, so that a lone level is still tried to its end.
  const level = chooseLevel(fresh, attempt) ?? chooseLevel(open, attempt);
  return level === undefined ? lastHope(pool, attempt) : hostIn(level, { pool, attempt });
}

/**
 * When all who are healthy have failed, whoever is held for dead may still live: nearest first. Only
 * where panic is allowed, which says the same of a whole level.
 */
function lastHope(pool: Pool, { tried, random }: Attempt): Host | undefined {
  if (pool.model.panicPercent === 0) return undefined;
  const rest = [...pool.hosts.values()].filter(
    (host) => !tried.has(host) && host.model.health !== "draining",
  );
  const nearest = Math.min(...rest.map(({ model }) => model.priority));
  return byWeight(
    rest.filter(({ model }) => model.priority === nearest),
    random,
  );
}

function currentLevels(pool: Pool, nowMs: number): readonly Level[] {
  if (pool.levels === undefined || nowMs >= pool.levelsUntilMs) {
    pool.levels = levelsOf(pool, nowMs);
    pool.levelsUntilMs = Math.min(
      ...[...pool.hosts.values()].map((host) =>
        host.ejectedUntilMs > nowMs ? host.ejectedUntilMs : Infinity,
      ),
    );
  }
  return pool.levels;
}

/** By load; levels without load serve only retries, nearest first. */
function chooseLevel(levels: readonly Level[], { random, tried }: Attempt): Level | undefined {
  const total = levels.reduce((sum, { load }) => sum + load, 0);
  let point = random() * total;
  for (const level of levels) {
    if (level.load > 0 && point < level.load) return level;
    point -= level.load;
  }
  return tried.size === 0 ? undefined : levels[0];
}

function candidatesIn(level: Level, { tried }: Attempt): readonly Host[] {
  const hosts = level.isPanic ? level.all : level.localities.flatMap(({ hosts }) => hosts);
  return tried.size === 0 ? hosts : hosts.filter((host) => !tried.has(host));
}

function hostIn(
  level: Level,
  { pool, attempt }: { readonly pool: Pool; readonly attempt: Attempt },
): Host | undefined {
  if (level.isPanic) return chooseHost(candidatesIn(level, attempt), { pool, attempt });
  const { tried, random } = attempt;
  if (tried.size === 0)
    return chooseHost(chooseLocality(level.localities, random), { pool, attempt });
  const localities = level.localities
    .map(({ weight, hosts }) => ({
      weight,
      hosts: hosts.filter((host) => !tried.has(host)),
    }))
    .filter(({ hosts }) => hosts.length > 0);
  return chooseHost(chooseLocality(localities, attempt.random), { pool, attempt });
}

function chooseLocality(localities: readonly LocalityShare[], random: Random): readonly Host[] {
  const total = localities.reduce((sum, { weight }) => sum + weight, 0);
  // Nobody has a weight: weights are not in use.
  if (total === 0) return localities.flatMap(({ hosts }) => hosts);
  let point = random() * total;
  for (const { weight, hosts } of localities) {
    if (weight > 0 && point < weight) return hosts;
    point -= weight;
  }
  return localities.findLast(({ weight }) => weight > 0)?.hosts ?? [];
}

function chooseHost(
  hosts: readonly Host[],
  { pool, attempt }: { readonly pool: Pool; readonly attempt: Attempt },
): Host | undefined {
  if (hosts.length < 2) return hosts[0];
  switch (pool.model.policy) {
    case "round-robin":
      return nextInTurn(hosts);
    case "random":
      return byWeight(hosts, attempt.random);
    case "least-request": {
      const one = byWeight(hosts, attempt.random);
      const other = byWeight(hosts, attempt.random);
      if (one === undefined || other === undefined) return one;
      return burden(other) < burden(one) ? other : one;
    }
  }
}

function burden(host: Host): number {
  return (host.active + 1) / Math.max(1, host.model.weight);
}

function byWeight(hosts: readonly Host[], random: Random): Host | undefined {
  let point = random() * hosts.reduce((sum, { model }) => sum + model.weight, 0);
  for (const host of hosts) {
    if (point < host.model.weight) return host;
    point -= host.model.weight;
  }
  return hosts.at(-1);
}

/** Smooth weighted round robin: shares are exact over few connections, and bursts do not cluster. */
function nextInTurn(hosts: readonly Host[]): Host | undefined {
  let best: Host | undefined;
  let total = 0;
  for (const host of hosts) {
    host.credit += host.model.weight;
    total += host.model.weight;
    if (best === undefined || host.credit > best.credit) best = host;
  }
  if (best !== undefined) best.credit -= total;
  return best;
}
