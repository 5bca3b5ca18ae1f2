import { createMemoryHub } from "../../../src/discovery/io/catalog/memory-store.ts";
import type {
  CatalogStore,
  LogEntry,
  RawRecords,
  ShardSnapshot,
  ShardWrite,
  SignedHead,
} from "../../../src/discovery/shards/store.ts";
import type { Timers } from "../../../src/discovery/timers.ts";
import { MeshError } from "../../../src/mesh/errors.ts";
import type { MemberName } from "../../../src/mesh/ids.ts";
import type { Chance } from "./chance.ts";
import type { Oracle } from "./oracle.ts";

/** What a hub does to its users at the moment. */
export interface Weather {
  /** Each call takes up to so long; a late one overtakes nothing but may be overtaken. */
  maxDelayMs: number;
  /** Calls that fail before they take effect, and after. */
  lossRatio: number;
  /** Answers that are not what was stored. */
  lieRatio: number;
}

export const fair: Weather = { maxDelayMs: 5, lossRatio: 0, lieRatio: 0 };

/** A hub that loses, delays, reorders, forgets, rolls back and lies. */
export interface FaultyHub {
  readonly name: string;
  readonly weather: Weather;
  /** Agents on this side of a partition get no answer at all. */
  readonly cutOff: Set<string>;
  readonly connect: (agent: string) => CatalogStore;
  /** FLUSHALL. */
  readonly wipe: () => void;
  /** As a replica that had not caught up: the last so many writes are gone. */
  readonly rollBack: (writes: number) => void;
  /** Somebody with access spoils what is stored. */
  readonly spoil: (member: MemberName) => Promise<void>;
}

const noSignal = new AbortController().signal;

export function createFaultyHub(options: {
  readonly name: string;
  readonly timers: Timers;
  readonly chance: Chance;
  readonly oracle: Oracle;
}): FaultyHub {
  const { name, timers, chance, oracle } = options;
  const fresh = (): CatalogStore => createMemoryHub({ name, timers }).connect();
  let inner = fresh();
  let journal: ShardWrite[] = [];
  const weather = { ...fair };
  const cutOff = new Set<string>();
  const oldSnapshots: ShardSnapshot[] = [];
  const oldHeads: SignedHead[] = [];

  const lie = createLiar(chance, { oldSnapshots, oldHeads });
  const delay = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      timers.after(chance.next() * weather.maxDelayMs, resolve);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  const unavailable = (): MeshError =>
    new MeshError("MESH_CATALOG_UNAVAILABLE", `Cannot reach "${name}": lost`);
  const never = (signal: AbortSignal): Promise<never> =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });

  const through = async <Result>(
    agent: string,
    signal: AbortSignal,
    run: () => Promise<Result>,
  ): Promise<Result> => {
    if (cutOff.has(agent)) return never(signal);
    await delay(signal);
    if (chance.happens(weather.lossRatio)) throw unavailable();
    const result = await run();
    await delay(signal);
    // Done, but nobody hears of it.
    if (chance.happens(weather.lossRatio)) throw unavailable();
    return cutOff.has(agent) ? never(signal) : result;
  };
  const isLying = (): boolean => chance.happens(weather.lieRatio);

  const connect = (agent: string): CatalogStore => ({
    name,
    publish: (write, signal) => {
      oracle.sent(write);
      return through(agent, signal, async () => {
        const result = await inner.publish(write, noSignal);
        if (result.t === "stored") journal.push(write);
        return result;
      });
    },
    readSnapshot: (member, signal) =>
      through(agent, signal, async () => {
        const snapshot = await inner.readSnapshot(member, noSignal);
        if (snapshot === undefined) return isLying() ? oldSnapshots.at(0) : undefined;
        keep(oldSnapshots, snapshot, chance);
        return isLying() ? lie.snapshot(snapshot) : snapshot;
      }),
    readHeads: (members, asked) =>
      through(agent, asked.signal, async () => {
        const heads = await inner.readHeads(members, { ...asked, signal: noSignal });
        for (const head of heads.values()) keep(oldHeads, head, chance);
        return isLying() ? lie.heads(heads) : heads;
      }),
    readLog: async (cursors, wait) => {
      if (cutOff.has(agent)) return never(wait.signal);
      const entries = await inner.readLog(cursors, wait);
      return through(agent, wait.signal, async () => (isLying() ? lie.log(entries) : entries));
    },
    readCharters: (above, signal) =>
      through(agent, signal, () => inner.readCharters(above, noSignal)),
    putCharter: (entry, signal) => through(agent, signal, () => inner.putCharter(entry, noSignal)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });

  const replay = (writes: readonly ShardWrite[]): void => {
    inner = fresh();
    journal = [...writes];
    // The inner store answers without waiting, so all is done before anybody asks.
    for (const write of writes) void inner.publish(write, noSignal);
  };
  return {
    name,
    weather,
    cutOff,
    connect,
    wipe: () => replay([]),
    rollBack: (writes) => replay(journal.slice(0, Math.max(0, journal.length - writes))),
    spoil: async (member) => {
      const snapshot = await inner.readSnapshot(member, noSignal);
      const last = journal.findLast((write) => write.member === member);
      if (snapshot === undefined || last === undefined) return;
      const spoilt = lie.snapshot(snapshot);
      await inner.publish(
        {
          ...last,
          t: "whole",
          expected: last.position,
          changed: spoilt.records,
          removed: [],
          head: spoilt.head,
        },
        noSignal,
      );
    },
  };
}

function keep<Item>(store: Item[], item: Item, chance: Chance): void {
  if (store.length < 16) store.push(item);
  else if (chance.happens(0.1)) store[chance.below(16)] = item;
}

interface Liar {
  readonly snapshot: (snapshot: ShardSnapshot) => ShardSnapshot;
  readonly heads: (
    heads: ReadonlyMap<MemberName, SignedHead>,
  ) => ReadonlyMap<MemberName, SignedHead>;
  readonly log: (entries: readonly LogEntry[]) => readonly LogEntry[];
}

function createLiar(
  chance: Chance,
  past: {
    readonly oldSnapshots: readonly ShardSnapshot[];
    readonly oldHeads: readonly SignedHead[];
  },
): Liar {
  const flip = (bytes: Uint8Array): Uint8Array => {
    const spoilt = Buffer.from(bytes);
    const index = chance.below(Math.max(1, spoilt.length));
    spoilt[index] = (spoilt[index] ?? 0) ^ (1 << chance.below(8));
    return spoilt;
  };
  const flipHead = (head: SignedHead): SignedHead =>
    chance.happens(0.5)
      ? { ...head, bytes: flip(head.bytes) }
      : { ...head, signature: { ...head.signature, bytes: flip(head.signature.bytes) } };
  const without = (records: RawRecords): RawRecords => {
    const gone = chance.below(Math.max(1, records.size));
    return new Map([...records].filter((_, index) => index !== gone));
  };
  const flipOne = (records: RawRecords): RawRecords => {
    const spoilt = chance.below(Math.max(1, records.size));
    return new Map(
      [...records].map(([key, bytes], index) => [key, index === spoilt ? flip(bytes) : bytes]),
    );
  };
  const invent = (records: RawRecords): RawRecords => {
    const [some] = [...records].filter(([key]) => key.startsWith("service/"));
    return new Map([...records, ["service/evil/twin", some?.[1] ?? Buffer.from("{}")]]);
  };
  const spoilRecords = (records: RawRecords): RawRecords =>
    chance.pick([without, flipOne, invent])(records);
  const oldHead = (): SignedHead | undefined =>
    past.oldHeads.length === 0 ? undefined : chance.pick(past.oldHeads);

  return {
    snapshot: (snapshot) => {
      switch (chance.below(4)) {
        case 0:
          return { ...snapshot, records: spoilRecords(snapshot.records) };
        case 1:
          return { ...snapshot, head: flipHead(snapshot.head) };
        case 2:
          return { ...snapshot, head: oldHead() ?? snapshot.head };
        default:
          return past.oldSnapshots.length === 0 ? snapshot : chance.pick(past.oldSnapshots);
      }
    },
    heads: (heads) =>
      new Map(
        [...heads].flatMap(([member, head]) => {
          switch (chance.below(4)) {
            case 0:
              return [];
            case 1:
              return [[member, flipHead(head)]];
            case 2:
              return [[member, oldHead() ?? head]];
            default:
              return [[member, head]];
          }
        }),
      ),
    log: (entries) =>
      entries.flatMap((entry): readonly LogEntry[] => {
        switch (chance.below(6)) {
          case 0:
            return [];
          case 1:
            return [entry, entry];
          case 2:
            return [{ ...entry, changed: spoilRecords(entry.changed) }];
          case 3:
            return [{ ...entry, head: oldHead() ?? flipHead(entry.head) }];
          case 4:
            return [{ ...entry, removed: ["service/shop/s-0"] }];
          default:
            return [entry];
        }
      }),
  };
}
