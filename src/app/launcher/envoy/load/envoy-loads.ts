import type { TakenLoad } from "../../../../dataplane/load.ts";
import type { Histogram, HostReading, Totals } from "./admin-text.ts";
import { endClusterLoad, takeClusterLoad } from "./cluster-load.ts";
import { type ClusterMemory, newClusterMemory } from "./cluster-memory.ts";

type ByCluster<Value> = ReadonlyMap<string, Value>;

/** What Envoy said of all its clusters, one after the other, within some milliseconds. */
export interface EnvoyReading {
  readonly counters: ByCluster<Totals>;
  /** Of the clusters that `changedIn` named, as the next. */
  readonly hosts: ByCluster<readonly HostReading[]>;
  readonly histograms: ByCluster<ReadonlyMap<string, Histogram>>;
}

/** Load reports out of what Envoy has counted since its start. */
export interface EnvoyLoads {
  /** Clusters that something happened in: only of those the hosts are worth reading. */
  readonly changedIn: (counters: ByCluster<Totals>) => readonly string[];
  /** What happened since the last reading. */
  readonly take: (reading: EnvoyReading) => readonly TakenLoad[];
  /** Forgets what happened before; what is open is told again. */
  readonly begin: (reading: EnvoyReading) => void;
}

/** `ownZone` is that of Envoy's node, as in `zone.<ownZone>.<other>.upstream_rq_time`. */
export function createEnvoyLoads(ownZone: string): EnvoyLoads {
  const memories = new Map<string, ClusterMemory>();
  /** Something of them is still to be told. */
  const unsettled = new Set<string>();

  const take = ({ counters, hosts, histograms }: EnvoyReading): readonly TakenLoad[] => {
    const loads: TakenLoad[] = [];
    for (const envoyCluster of changedIn(counters)) {
      const memory = memories.get(envoyCluster) ?? newClusterMemory();
      memories.set(envoyCluster, memory);
      const reading = {
        totals: counters.get(envoyCluster) ?? new Map<string, number>(),
        hosts: hosts.get(envoyCluster) ?? [],
        histograms: histograms.get(envoyCluster) ?? new Map<string, Histogram>(),
      };
      loads.push(...takeClusterLoad(memory, reading, { envoyCluster, ownZone }));
      if (isUnsettled(memory)) unsettled.add(envoyCluster);
      else unsettled.delete(envoyCluster);
    }
    for (const [envoyCluster, memory] of memories) {
      if (counters.has(envoyCluster)) continue;
      loads.push(...endClusterLoad(memory, envoyCluster));
      memories.delete(envoyCluster);
      unsettled.delete(envoyCluster);
    }
    return loads;
  };
  const changedIn = (counters: ByCluster<Totals>): readonly string[] =>
    [...counters.keys()].filter(
      (name) => unsettled.has(name) || hasChanged(counters.get(name), memories.get(name)?.totals),
    );
  return {
    changedIn,
    take,
    begin: (reading) => {
      take(reading);
      for (const [name, { places, connects }] of memories) {
        connects.fill(0);
        for (const place of places.values()) {
          if (place.active > 0) unsettled.add(name);
          place.active = 0;
          place.untimed = 0;
        }
      }
    },
  };
}

function hasChanged(now: Totals | undefined, before: Totals | undefined): boolean {
  if (now === undefined || before?.size !== now.size) return true;
  return [...now].some(([stat, total]) => before.get(stat) !== total);
}

function isUnsettled({ connects, places }: ClusterMemory): boolean {
  return (
    connects.some((count) => count > 0) || [...places.values()].some(({ untimed }) => untimed > 0)
  );
}
