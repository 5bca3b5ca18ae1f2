import type { MemberName, MeshDomain } from "../../../../mesh/ids.ts";
import type { Clock } from "../../../../mesh/ports.ts";
import type { CatalogStore, LogEntry, SignedHead } from "../../../shards/store.ts";
import { logStart } from "../../../shards/store.ts";
import type { Timers } from "../../../timers.ts";
import { pause } from "../waiting.ts";
import type { Ask } from "./asking.ts";
import type { ChainMemory } from "./chain-memory.ts";
import { decodeEntry, maxEntryItems, noHead, type StoredEntry } from "./codec.ts";
import { shardKeys } from "./keys.ts";
import type { Command, HubConnection } from "./link/connection.ts";
import { brokenBy, HubFailure } from "./link/hub-failure.ts";
import type { HubLink } from "./link/hub-link.ts";
import { bytesOf, listOf, type Reply } from "./replies.ts";

/** Entries per log and read: what a reader that lags takes at once. */
const maxCount = 128;
/** Keys and records of all entries of one read; what is beyond is read as a whole. */
const maxItems = 131_072;
/** How long a log is left alone that cannot be read: its member's heads tell of its changes. */
const quarantineMs = 60_000;
const entryId = /^\d{1,20}-\d{1,20}$/;

export interface LogReaderOptions {
  readonly mesh: MeshDomain;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly timers: Timers;
  readonly chains: ChainMemory;
  readonly ask: Ask;
  /** Used for nothing else: a blocked connection answers nobody. */
  readonly blocking: HubLink;
  readonly readHeads: CatalogStore["readHeads"];
}

interface RawEntry {
  readonly member: MemberName;
  readonly cursor: string;
  /** Undefined: nobody can read it. */
  readonly stored: StoredEntry | undefined;
}

/** All members' logs in one blocking read. One whose log is junk must not blind us to the others. */
export function createLogReader(options: LogReaderOptions): {
  readonly read: CatalogStore["readLog"];
} {
  const { mesh, clock, timers, chains, ask, blocking } = options;
  const quarantine = new Map<MemberName, number>();
  let count = maxCount;

  const readOnce = (
    cursors: ReadonlyMap<MemberName, string>,
    wait: { readonly waitMs: number | undefined; readonly signal: AbortSignal },
  ): Promise<readonly RawEntry[]> => {
    const members = [...cursors.keys()];
    const byKey = new Map(members.map((member) => [shardKeys(mesh, member).log, member]));
    const ids = members.map((member) => cursorIn(cursors.get(member) ?? logStart));
    const block = wait.waitMs === undefined ? [] : ["BLOCK", Math.max(1, Math.ceil(wait.waitMs))];
    const command: Command = [
      "XREAD",
      "COUNT",
      count,
      ...block,
      "STREAMS",
      ...byKey.keys(),
      ...ids,
    ];
    return ask("log", "read the logs", {
      link: blocking,
      signal: wait.signal,
      run: async (connection) => {
        const reply = await blockedCall(connection, { command, ...wait });
        return entriesIn(reply, byKey);
      },
    });
  };

  const isQuarantined = (member: MemberName): boolean =>
    (quarantine.get(member) ?? 0) > clock.monotonicMs();
  /** Reads each log alone, to learn which one the trouble comes from. */
  const sift = async (
    cursors: ReadonlyMap<MemberName, string>,
    signal: AbortSignal,
  ): Promise<void> => {
    count = 1;
    for (const [member, cursor] of cursors) {
      try {
        await readOnce(new Map([[member, cursor]]), { waitMs: undefined, signal });
      } catch (thrown) {
        if (!isJunk(thrown)) throw thrown;
        quarantine.set(member, clock.monotonicMs() + quarantineMs);
      }
    }
  };

  /** Names the chains again that entries only refer to. */
  const whole = async (
    raw: readonly RawEntry[],
    signal: AbortSignal,
  ): Promise<readonly LogEntry[]> => {
    const unknown = raw.filter(
      ({ stored }) => stored === undefined || chains.chain(stored.chainId) === undefined,
    );
    const members = [...new Set(unknown.map(({ member }) => member))];
    const none: ReadonlyMap<MemberName, SignedHead> = new Map();
    const heads = members.length === 0 ? none : await options.readHeads(members, { signal });
    return raw.map((entry) => entryFrom(entry, heads));
  };
  const entryFrom = (
    { member, cursor, stored }: RawEntry,
    heads: ReadonlyMap<MemberName, SignedHead>,
  ): LogEntry => {
    const chain = stored && chains.chain(stored.chainId);
    if (stored === undefined || chain === undefined) {
      // Signed by a certificate that was replaced since, or junk: the newest head says whether there is
      // anything to fetch.
      const head = heads.get(member) ?? noHead;
      return { t: "whole", member, cursor, changed: new Map(), removed: [], head };
    }
    const { t, changed, removed, bytes, signature } = stored;
    return {
      t,
      member,
      cursor,
      changed,
      removed,
      head: { bytes, signature: { bytes: signature, chain } },
    };
  };

  return {
    read: async (cursors, { waitMs, signal }) => {
      signal.throwIfAborted();
      const readable = new Map([...cursors].filter(([member]) => !isQuarantined(member)));
      if (readable.size === 0) {
        await pause(waitMs, { timers, signal });
        signal.throwIfAborted();
        return [];
      }
      try {
        const raw = await readOnce(readable, { waitMs, signal });
        count = Math.min(count * 2, maxCount);
        return await whole(raw, signal);
      } catch (thrown) {
        if (!isJunk(thrown)) throw thrown;
        await sift(readable, signal);
        return [];
      }
    },
  };
}

/** A blocked connection cannot be told to stop: when the caller does not want to wait, it is cut. */
async function blockedCall(
  connection: HubConnection,
  options: {
    readonly command: Command;
    readonly waitMs: number | undefined;
    readonly signal: AbortSignal;
  },
): Promise<Reply> {
  const { signal } = options;
  const onAbort = (): void => connection.close(brokenBy(signal.reason));
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await connection.call(options.command, { waitMs: options.waitMs ?? 0 });
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** `[[key, [[id, [field, value, …]], …]], …]`; null when nothing came. */
function entriesIn(reply: Reply, byKey: ReadonlyMap<string, MemberName>): readonly RawEntry[] {
  let left = maxItems;
  return listOf(reply).flatMap((stream) => {
    const [key, entries] = listOf(stream);
    const member = byKey.get(shortText(key));
    if (member === undefined) return [];
    return listOf(entries).flatMap((entry) => {
      const [id, fields] = listOf(entry);
      const cursor = shortText(id);
      if (!entryId.test(cursor)) return [];
      const stored = decodeEntry(bytesOf(fields), Math.min(left, maxEntryItems));
      if (stored !== undefined) left -= 2 * stored.changed.size + stored.removed.length;
      return [{ member, cursor, stored }];
    });
  });
}

/** Keys and ids are short; what is not is neither. */
function shortText(reply: Reply | undefined): string {
  return Buffer.isBuffer(reply) && reply.length <= 512 ? String(reply) : "";
}

function cursorIn(text: string): string {
  return entryId.test(text) ? text : logStart;
}

function isJunk(thrown: unknown): boolean {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  return cause instanceof HubFailure && cause.kind === "junk";
}
