import type { SignedCharter } from "../../../mesh/charter.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type {
  CatalogStore,
  HeldHead,
  KnownCharter,
  LogEntry,
  PublishResult,
  ShardSnapshot,
  ShardWrite,
} from "../../shards/store.ts";
import { isSamePosition } from "../../shards/store.ts";
import type { Timers } from "../../timers.ts";

/** A hub inside this process, shared by all agents in it. */
export interface MemoryHub {
  /** A store for one agent; closing it leaves the hub as it is. */
  readonly connect: () => CatalogStore;
}

/** Like the trimmed stream of a real hub: a reader that fell back further reads the snapshot. */
const maxLogEntries = 1024;
const maxEntriesPerRead = 512;

interface HubShard {
  records: Map<string, Uint8Array>;
  held: HeldHead;
  readonly log: { readonly id: number; readonly entry: LogEntry }[];
}

interface Waiter {
  readonly cursors: ReadonlyMap<MemberName, string>;
  readonly wake: () => void;
}

export function createMemoryHub(options: {
  readonly name: string;
  readonly timers: Timers;
}): MemoryHub {
  const { timers } = options;
  const shards = new Map<MemberName, HubShard>();
  const charters = new Map<MemberName, KnownCharter>();
  const waiting = new Set<Waiter>();
  let lastId = 0;

  const publish = (write: ShardWrite): PublishResult => {
    const shard = shards.get(write.member);
    const held = shard?.held;
    if (write.t === "delta" && isSamePosition(held?.position, write.position)) {
      return { t: "stored" };
    }
    if (!isSamePosition(held?.position, write.expected)) return { t: "moved", held };
    const next = { position: write.position, head: write.head };
    if (write.t === "beat") {
      if (shard !== undefined) shard.held = next;
      return { t: "stored" };
    }
    store(write, shard, next);
    return { t: "stored" };
  };

  const store = (write: ShardWrite, shard: HubShard | undefined, held: HeldHead): void => {
    const isWhole = write.t === "whole" || shard === undefined;
    const records = isWhole ? new Map(write.changed) : shard.records;
    if (write.t === "delta") {
      for (const [key, bytes] of write.changed) records.set(key, bytes);
      for (const key of write.removed) records.delete(key);
    }
    const log = shard?.log ?? [];
    shards.set(write.member, { records, held, log });
    lastId += 1;
    log.push({ id: lastId, entry: entryOf(write, lastId) });
    if (log.length > maxLogEntries) log.shift();
    for (const waiter of waiting) if (waiter.cursors.has(write.member)) waiter.wake();
  };

  const snapshotOf = (member: MemberName): ShardSnapshot | undefined => {
    const shard = shards.get(member);
    if (shard === undefined) return undefined;
    const cursor = `${shard.log.at(-1)?.id ?? 0}-0`;
    return { records: new Map(shard.records), head: shard.held.head, cursor };
  };

  const entriesAfter = (cursors: ReadonlyMap<MemberName, string>): readonly LogEntry[] => {
    const entries: LogEntry[] = [];
    for (const [member, cursor] of cursors) {
      const after = Number(cursor.split("-")[0]);
      const log = shards.get(member)?.log ?? [];
      // Most readers are at the end: nothing to look through.
      if ((log.at(-1)?.id ?? 0) <= after) continue;
      const news = log.filter((one) => one.id > after).slice(0, maxEntriesPerRead);
      entries.push(...news.map((one) => one.entry));
    }
    return entries;
  };

  const news = (
    cursors: ReadonlyMap<MemberName, string>,
    options: { readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<void> =>
    new Promise((resolve, reject) => {
      const settle = (): void => {
        cancel();
        waiting.delete(waiter);
        options.signal.removeEventListener("abort", abort);
      };
      const wake = (): void => {
        settle();
        resolve();
      };
      const abort = (): void => {
        settle();
        reject(options.signal.reason);
      };
      const cancel = timers.after(options.waitMs, wake);
      const waiter = { cursors, wake };
      waiting.add(waiter);
      options.signal.addEventListener("abort", abort, { once: true });
    });

  const connect = (): CatalogStore => ({
    name: options.name,
    publish: async (write, signal) => {
      signal.throwIfAborted();
      return publish(write);
    },
    readSnapshot: async (member, signal) => {
      signal.throwIfAborted();
      return snapshotOf(member);
    },
    readHeads: async (members, { signal }) => {
      signal.throwIfAborted();
      const found = members.flatMap((member) => {
        const head = shards.get(member)?.held.head;
        return head === undefined ? [] : [[member, head] as const];
      });
      return new Map(found);
    },
    readLog: async (cursors, { waitMs, signal }) => {
      signal.throwIfAborted();
      const present = entriesAfter(cursors);
      if (present.length > 0) return present;
      await news(cursors, { waitMs, signal });
      return entriesAfter(cursors);
    },
    readCharters: async ({ above }, signal) => {
      signal.throwIfAborted();
      const known = [...charters.values()].filter((one) => one.number > above);
      return known.map((one): SignedCharter => one.charter);
    },
    putCharter: async (entry, signal) => {
      signal.throwIfAborted();
      charters.set(entry.member, entry);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
  return { connect };
}

function entryOf(write: ShardWrite, id: number): LogEntry {
  const cursor = `${id}-0`;
  const { member, head } = write;
  if (write.t === "whole") {
    return { t: "whole", member, cursor, changed: new Map(), removed: [], head };
  }
  return { t: "delta", member, cursor, changed: write.changed, removed: write.removed, head };
}
