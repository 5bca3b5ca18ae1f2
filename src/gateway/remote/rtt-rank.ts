/** A region of other members; its members are equally near. */
export interface MeasuredRegion {
  /** `cloud/region` */
  readonly key: string;
  readonly cloud: string;
  /** 5-minute minimum of its nearest gateway; absent: not measured lately. */
  readonly rttMs?: number;
}

/** The order of regions in use, and the swaps that wait for their time. */
export interface RankState {
  /** Nearest first; regions that were never measured are not in it. */
  readonly order: readonly string[];
  /** By the region that would move forward: since when, and past whom. */
  readonly pending: ReadonlyMap<string, { readonly past: string; readonly sinceMs: number }>;
}

export const emptyRanks: RankState = { order: [], pending: new Map() };

export interface RankContext {
  /** Monotonic. */
  readonly nowMs: number;
  readonly ownCloud: string;
  /** In [0, 1), fixed for this agent: those that measure the same must not all move at once. */
  readonly random: number;
  /** While some member is held for dead nothing is reordered. */
  readonly isFailover: boolean;
  /** The first samples were taken while everything started: an order built on them gives way at once. */
  readonly isGuess?: boolean;
}

const steadyMs = 600_000;
const jitterMs = 120_000;
const minGainRatio = 0.2;
const minGainMs = 5;

/**
 * The next order. A region moves past another only after it was 20 % and 5 ms nearer for 10 min; one
 * that is measured for the first time is placed at once, one that is no longer measured stays.
 */
export function rankRegions(
  state: RankState,
  regions: readonly MeasuredRegion[],
  context: RankContext,
): RankState {
  const byKey = new Map(regions.map((region) => [region.key, region]));
  const kept = state.order.filter((key) => byKey.has(key));
  const known = new Set(kept);
  const fresh = regions.filter(({ key, rttMs }) => rttMs !== undefined && !known.has(key));
  const order = fresh.reduce(
    (placed, region) => withPlaced(placed, { region, byKey, context }),
    kept,
  );
  if (context.isFailover) return { order, pending: new Map() };
  return afterSwaps({ order, pending: state.pending }, { byKey, context });
}

/** 1 is nearest. Regions that were never measured share the last rank. */
export function rankOf(state: RankState, key: string): number {
  return ranksIn(state.order).get(key) ?? state.order.length + 1;
}

type Order = RankState["order"];

// Asked for each member of each service that is put together.
const known = new WeakMap<Order, ReadonlyMap<string, number>>();

function ranksIn(order: Order): ReadonlyMap<string, number> {
  const ranks = known.get(order) ?? new Map(order.map((key, index) => [key, index + 1]));
  known.set(order, ranks);
  return ranks;
}

type Regions = ReadonlyMap<string, MeasuredRegion>;

function withPlaced(
  order: readonly string[],
  at: { readonly region: MeasuredRegion; readonly byKey: Regions; readonly context: RankContext },
): string[] {
  const index = order.findIndex((key) => {
    const other = at.byKey.get(key);
    return (
      other?.rttMs !== undefined && goesBefore(at.region, { other, ownCloud: at.context.ownCloud })
    );
  });
  return order.toSpliced(index === -1 ? order.length : index, 0, at.region.key);
}

/** Near ties go to the caller's own cloud, where traffic is cheaper. */
function goesBefore(
  region: MeasuredRegion,
  than: { readonly other: MeasuredRegion; readonly ownCloud: string },
): boolean {
  if (isClearlyNearer(region, than.other)) return true;
  if (isClearlyNearer(than.other, region)) return false;
  const isOwn = region.cloud === than.ownCloud;
  const isOtherOwn = than.other.cloud === than.ownCloud;
  return isOwn === isOtherOwn ? (region.rttMs ?? 0) < (than.other.rttMs ?? 0) : isOwn;
}

/** As near, and in the own cloud where the other is not: no measurement swings between the two. */
function isCheaper(
  region: MeasuredRegion,
  than: { readonly other: MeasuredRegion; readonly ownCloud: string },
): boolean {
  const { other, ownCloud } = than;
  const isNear = region.rttMs !== undefined && !isClearlyNearer(other, region);
  return isNear && region.cloud === ownCloud && other.cloud !== ownCloud;
}

function isClearlyNearer(region: MeasuredRegion, other: MeasuredRegion): boolean {
  if (region.rttMs === undefined || other.rttMs === undefined) return false;
  const gainMs = other.rttMs - region.rttMs;
  return gainMs >= minGainMs && gainMs >= minGainRatio * other.rttMs;
}

/** One step forward at most for each region: a far mover passes its neighbours one after the other. */
function afterSwaps(
  state: RankState,
  at: { readonly byKey: Regions; readonly context: RankContext },
): RankState {
  const { nowMs, random, isGuess, ownCloud } = at.context;
  const order = [...state.order];
  const pending = new Map<string, { readonly past: string; readonly sinceMs: number }>();
  for (let index = 1; index < order.length; index += 1) {
    const [past, key] = [order[index - 1], order[index]];
    if (past === undefined || key === undefined) continue;
    const [other, region] = [at.byKey.get(past), at.byKey.get(key)];
    if (other === undefined || region === undefined) continue;
    if (!isClearlyNearer(region, other)) {
      if (isGuess === true && isCheaper(region, { other, ownCloud })) {
        order.splice(index - 1, 2, key, past);
      }
      continue;
    }
    const waiting = state.pending.get(key);
    const sinceMs = waiting?.past === past ? waiting.sinceMs : nowMs;
    const dueMs = isGuess === true ? 0 : steadyMs + random * jitterMs;
    if (nowMs - sinceMs < dueMs) pending.set(key, { past, sinceMs });
    else order.splice(index - 1, 2, key, past);
  }
  return { order, pending };
}
