import type { GroupId, WorkloadGroup } from "../../mesh/workload-group.ts";
import { createMassLoss, isMassOver } from "./mass-loss.ts";
import {
  type EntryVersion,
  isNewer,
  type Registered,
  type StatedHealth,
  type StreamState,
} from "./registered.ts";

/** What a workload says of itself when its stream begins. */
export type Arrival = Omit<Registered, "stream" | "stated" | keyof EntryVersion> & {
  /** Undefined: its checks have not answered yet. */
  readonly stated: StatedHealth | undefined;
};

/** All workloads that registered themselves, at this agent or at another of the member. */
export interface RegisteredBook {
  readonly get: (key: string) => Registered | undefined;
  readonly all: () => IterableIterator<Registered>;
  readonly size: () => number;
  readonly of: (group: GroupId) => readonly Registered[];
  readonly at: (address: string) => readonly Registered[];
  /** False: there is none for that entry. If need be another one of its account goes that is not live. */
  readonly makeRoom: (key: string) => boolean;
  /** Its stream is here from now on; returns the entry as it is now. */
  readonly arrive: (arrival: Arrival) => Registered;
  /** What it says while its stream is here. No effect when it has gone to another agent meanwhile. */
  readonly say: (
    key: string,
    said: { readonly stated: StatedHealth; readonly reason: string },
  ) => void;
  readonly leave: (key: string) => void;
  /** Its stream ended without a goodbye. `by`: the certificate that it showed. */
  readonly lose: (key: string, by: string) => void;
  /** Nobody calls it any more, or nobody shall. */
  readonly forget: (key: string) => void;
  /** Takes what another agent, or this one's file, knows; entries whose version is newer count. */
  readonly merge: (entries: Iterable<Registered>) => void;
  /** Those of holders that are no longer there wait for their workloads from now on. */
  readonly adopt: (isGone: (holder: string) => boolean) => void;
  /** Lets time pass: what was lost or awaited for too long changes. */
  readonly tick: () => void;
  /** Groups whose endpoints may be others since the last call. */
  readonly takeChanged: () => ReadonlySet<GroupId>;
  /** Changes with every entry. */
  readonly revision: () => number;
  /** Kept as they were, because most were lost at once. */
  readonly held: () => readonly Registered[];
}

export interface BookOptions {
  /** Of this agent's life. */
  readonly holder: string;
  readonly groupOf: (id: GroupId) => WorkloadGroup | undefined;
  readonly monotonicMs: () => number;
  readonly nowMs: () => number;
}

// After an agent's restart its workloads come back within seconds, each after its own pause.
export const awaitMs = 60_000;
// As long as a member that is away is waited for.
const heldForMs = 86_400_000;
// Longer than replicas need to tell each other, and than one of them takes to start again.
const goneForMs = 600_000;

// An agent is meant for 2,000; whoever takes over one account leaves as many again to the others. Each costs a few
// hundred bytes here, and a part of its services' endpoints.
const maxPerAccount = 2_000;
const maxEntries = 4_000;

export function createRegisteredBook(options: BookOptions): RegisteredBook {
  const { holder, groupOf, monotonicMs } = options;
  const entries = new Map<string, Registered>();
  const byGroup = new Map<GroupId, Map<string, Registered>>();
  const byAddress = new Map<string, Map<string, Registered>>();
  const byAccount = new Map<string, Map<string, Registered>>();
  /** Those that time changes. */
  const waiting = new Set<string>();
  const changed = new Set<GroupId>();
  /** Lost for so long that they count as dead. */
  const dead = new Set<string>();
  const losses = createMassLoss();
  let revision = 0;
  let heldPeak = 0;

  const put = (entry: Registered): Registered => {
    const before = entries.get(entry.key);
    if (before !== undefined) unindex(before);
    entries.set(entry.key, entry);
    indexIn(byGroup, entry.group, entry);
    indexIn(byAddress, entry.address, entry);
    indexIn(byAccount, accountIn(entry.key), entry);
    if (entry.stream.t === "live") waiting.delete(entry.key);
    else waiting.add(entry.key);
    dead.delete(entry.key);
    changed.add(entry.group);
    revision += 1;
    return entry;
  };
  const unindex = (entry: Registered): void => {
    unindexIn(byGroup, entry.group, entry);
    unindexIn(byAddress, entry.address, entry);
    unindexIn(byAccount, accountIn(entry.key), entry);
    changed.add(entry.group);
  };
  const drop = (entry: Registered): void => {
    unindex(entry);
    entries.delete(entry.key);
    waiting.delete(entry.key);
    dead.delete(entry.key);
    revision += 1;
  };
  const held = (): readonly Registered[] =>
    [...waiting].flatMap((key) => {
      const entry = entries.get(key);
      return entry?.stream.t === "held" ? [entry] : [];
    });
  /** A new state of an entry that is this agent's to judge. */
  const enter = (entry: Registered, t: Exclude<StreamState["t"], "live">): void => {
    const stream = { t, sinceMs: monotonicMs() };
    put({ ...entry, stream, holder, change: entry.change + 1 });
  };
  const hold = (keys: readonly string[]): void => {
    for (const key of keys) {
      const entry = entries.get(key);
      if (entry?.stream.t === "lost") enter(entry, "held");
    }
    heldPeak = Math.max(heldPeak, held().length);
  };
  const own = (key: string): Registered | undefined => {
    const entry = entries.get(key);
    return entry?.holder === holder ? entry : undefined;
  };

  /** Those that were awaited together are judged together. */
  const judgeAwaited = (): void => {
    const nowMs = monotonicMs();
    const late = [...waiting].flatMap((key) => {
      const entry = own(key);
      const { stream } = entry ?? {};
      return stream?.t === "awaited" && nowMs - stream.sinceMs >= awaitMs && entry !== undefined
        ? [entry]
        : [];
    });
    const isMass = late.length >= 3 && late.length * 2 > entries.size;
    for (const entry of late) enter(entry, isMass ? "held" : "lost");
    if (isMass) heldPeak = Math.max(heldPeak, held().length);
  };
  const judgeHeld = (): void => {
    const all = held();
    const isOver = isMassOver({ peak: heldPeak, held: all.length });
    const nowMs = monotonicMs();
    for (const entry of all) {
      if (entry.holder !== holder || entry.stream.t !== "held") continue;
      if (isOver || nowMs - entry.stream.sinceMs >= heldForMs) enter(entry, "lost");
    }
    if (isOver) heldPeak = 0;
  };

  const age = (entry: Registered, nowMs: number): void => {
    const { stream, key } = entry;
    if (stream.t === "live") return;
    const forMs = nowMs - stream.sinceMs;
    if (stream.t === "gone" && forMs >= goneForMs) drop(entry);
    if (stream.t !== "lost") return;
    // Of a group that is gone, too, it is forgotten one day.
    const { unhealthyAfterMs = 0, removeAfterMs = heldForMs } = groupOf(entry.group) ?? {};
    if (forMs >= removeAfterMs && entry.holder === holder) enter(entry, "gone");
    else if (forMs >= unhealthyAfterMs && !dead.has(key)) {
      dead.add(key);
      changed.add(entry.group);
    }
  };

  return {
    get: (key) => entries.get(key),
    all: () => entries.values(),
    size: () => entries.size,
    of: (group) => [...(byGroup.get(group)?.values() ?? [])],
    at: (address) => [...(byAddress.get(address)?.values() ?? [])],
    makeRoom: (key) => {
      if (entries.has(key)) return true;
      const peers = byAccount.get(accountIn(key)) ?? new Map<string, Registered>();
      if (entries.size < maxEntries && peers.size < maxPerAccount) return true;
      const silent = [...peers.values()].find(({ stream }) => stream.t !== "live");
      if (silent !== undefined) drop(silent);
      return silent !== undefined;
    },
    arrive: (arrival) => {
      const known = entries.get(arrival.key);
      losses.settled(arrival.key);
      // The first word of its checks decides, once they have one; until then what was known of it.
      const hasChecks = groupOf(arrival.group)?.healthCheck !== undefined;
      const stated = arrival.stated ?? known?.stated ?? (hasChecks ? "unhealthy" : "healthy");
      const sequence = Math.max((known?.sequence ?? 0) + 1, options.nowMs());
      return put({ ...arrival, stated, stream: { t: "live" }, sequence, change: 0, holder });
    },
    say: (key, { stated, reason }) => {
      const entry = own(key);
      if (entry === undefined || (entry.stated === stated && entry.reason === reason)) return;
      put({ ...entry, stated, reason, change: entry.change + 1 });
    },
    leave: (key) => {
      const entry = own(key);
      if (entry !== undefined) enter(entry, "leaving");
    },
    lose: (key, by) => {
      const entry = own(key);
      if (entry === undefined || entry.stream.t !== "live") return;
      enter(entry, "lost");
      const live = entries.size - waiting.size;
      const verdict = losses.lost(key, { by, live, nowMs: monotonicMs() });
      if (verdict.t === "mass") hold(verdict.keys);
    },
    forget: (key) => {
      const entry = entries.get(key);
      losses.settled(key);
      if (entry !== undefined && entry.stream.t !== "gone") enter(entry, "gone");
    },
    merge: (news) => {
      for (const entry of news) {
        const known = entries.get(entry.key);
        const isOld = known === undefined ? entry.stream.t === "gone" : !isNewer(entry, known);
        if (!isOld) put(entry);
      }
    },
    adopt: (isGone) => {
      for (const entry of entries.values()) {
        if (entry.holder === holder || !isGone(entry.holder)) continue;
        if (entry.stream.t === "live") enter(entry, "awaited");
        else put({ ...entry, holder, change: entry.change + 1 });
      }
    },
    tick: () => {
      const nowMs = monotonicMs();
      judgeAwaited();
      judgeHeld();
      for (const key of waiting) {
        const entry = entries.get(key);
        if (entry !== undefined) age(entry, nowMs);
      }
    },
    takeChanged: () => {
      const taken = new Set(changed);
      changed.clear();
      return taken;
    },
    revision: () => revision,
    held,
  };
}

/** Keys begin with namespace and account. */
function accountIn(key: string): string {
  return key.slice(0, key.lastIndexOf(" "));
}

function indexIn<Key>(index: Map<Key, Map<string, Registered>>, key: Key, entry: Registered): void {
  const known = index.get(key) ?? new Map<string, Registered>();
  index.set(key, known.set(entry.key, entry));
}

function unindexIn<Key>(
  index: Map<Key, Map<string, Registered>>,
  key: Key,
  entry: Registered,
): void {
  const known = index.get(key);
  known?.delete(entry.key);
  if (known?.size === 0) index.delete(key);
}
