import { latencyBuckets } from "../../../../telemetry/load/latency.ts";
import type { Histogram, HostCounts, HostReading, Totals } from "./admin-text.ts";

/** What Envoy says of one cluster at one time: totals since it has the cluster, or the host. */
export interface ClusterReading {
  readonly totals: Totals;
  readonly hosts: readonly HostReading[];
  readonly histograms: ReadonlyMap<string, Histogram>;
}

/** What the last reading of a cluster said, and what of it could not be told yet. */
export interface ClusterMemory {
  totals: Totals;
  readonly hosts: Map<string, HostMemory>;
  histograms: ReadonlyMap<string, Histogram>;
  readonly places: Map<string, PlaceMemory>;
  /** Times of connects that no endpoint claims yet. */
  readonly connects: Histogram;
}

interface HostMemory {
  readonly counts: HostCounts;
  /** Connections that came to be. */
  readonly connected: number;
}

interface PlaceMemory {
  readonly zone: string;
  readonly priority: number;
  /** As it was told last. */
  active: number;
  /** Connects whose time Envoy has not said yet. */
  untimed: number;
}

/** What happened at one locality of one priority between two readings. */
export interface Place {
  readonly memory: PlaceMemory;
  /** Now. */
  readonly active: number;
  /** Requests that got a connection; where no HTTP is spoken, connections that came to be. */
  readonly begun: number;
  readonly answered: number;
  /** Requests, those included that got no connection. */
  readonly failed: number;
  readonly connected: number;
  readonly failedToConnect: number;
}

export function newClusterMemory(): ClusterMemory {
  return {
    totals: new Map(),
    hosts: new Map(),
    histograms: new Map(),
    places: new Map(),
    connects: new Float64Array(latencyBuckets),
  };
}

/** An Envoy that was started again counts from zero: then all that it said before is of no use. */
export function forgetIfAnew(memory: ClusterMemory, totals: Totals): void {
  const isAnew = [...memory.totals].some(([stat, before]) => (totals.get(stat) ?? 0) < before);
  if (!isAnew) return;
  memory.totals = new Map();
  memory.hosts.clear();
  memory.histograms = new Map();
}

/** Remembers the hosts; nearest places first. */
export function takePlaces(
  memory: ClusterMemory,
  about: { readonly hosts: readonly HostReading[]; readonly ownZone: string },
): readonly Place[] {
  const places = new Map<string, Place>();
  for (const host of about.hosts) {
    const key = `${host.priority} ${host.zone}`;
    const known = places.get(key) ?? emptyPlace(memory, host);
    places.set(key, sum(known, { active: host.active, ...takeHost(memory, host) }));
  }
  const addresses = new Set(about.hosts.map(({ address }) => address));
  for (const address of memory.hosts.keys()) {
    if (!addresses.has(address)) memory.hosts.delete(address);
  }
  const isOwn = ({ memory: { zone } }: Place): number => (zone === about.ownZone ? 0 : 1);
  return [...places.values()].sort(
    (left, right) => left.memory.priority - right.memory.priority || isOwn(left) - isOwn(right),
  );
}

function takeHost(
  memory: ClusterMemory,
  { address, counts }: HostReading,
): Omit<Place, "memory" | "active"> {
  const known = memory.hosts.get(address);
  // A host that counts from zero was removed and is back.
  const before = known !== undefined && !isBehind(counts, known.counts) ? known : undefined;
  const grown = (counter: keyof HostCounts): number =>
    counts[counter] - (before?.counts[counter] ?? 0);
  const begun = grown("rqTotal");
  // A connection that is being made counts as one already. What waited for it goes to it as soon as it stands.
  const pending = counts.cxTotal - counts.cxConnectFail - (before?.connected ?? 0);
  const connected = Math.max(0, Math.min(pending, begun));
  memory.hosts.set(address, { counts, connected: (before?.connected ?? 0) + connected });
  return {
    begun,
    connected,
    answered: grown("rqSuccess"),
    failed: grown("rqError"),
    failedToConnect: grown("cxConnectFail"),
  };
}

function isBehind(now: HostCounts, before: HostCounts): boolean {
  return (Object.keys(now) as (keyof HostCounts)[]).some(
    (counter) => now[counter] < before[counter],
  );
}

function emptyPlace(memory: ClusterMemory, { zone, priority }: HostReading): Place {
  const key = `${priority} ${zone}`;
  const place = memory.places.get(key) ?? { zone, priority, active: 0, untimed: 0 };
  memory.places.set(key, place);
  const none = { begun: 0, answered: 0, failed: 0, connected: 0, failedToConnect: 0 };
  return { memory: place, active: 0, ...none };
}

function sum(place: Place, more: Omit<Place, "memory">): Place {
  return {
    memory: place.memory,
    active: place.active + more.active,
    begun: place.begun + more.begun,
    answered: place.answered + more.answered,
    failed: place.failed + more.failed,
    connected: place.connected + more.connected,
    failedToConnect: place.failedToConnect + more.failedToConnect,
  };
}

export function histogramGrowth(now: Histogram, before: Histogram | undefined): Histogram {
  const isAnew = before === undefined || now.some((count, bucket) => count < (before[bucket] ?? 0));
  return isAnew ? now : now.map((count, bucket) => count - (before[bucket] ?? 0));
}
