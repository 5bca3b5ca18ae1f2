import { backoffCeilingMs, inUpperHalf } from "../../../mesh/backoff.ts";
import type { SignedCharter } from "../../../mesh/charter.ts";
import { reasonOf } from "../../../mesh/errors.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type { Clock, Log, Random } from "../../../mesh/ports.ts";
import { createLogPace } from "../../follow/log-pace.ts";
import type { ShardInput, ShardOutcome } from "../../follow/remote-shard.ts";
import type { HubCourse, HubError } from "../../publish/hub-status.ts";
import { peekHead } from "../../shards/head.ts";
import type { CatalogStore, LogEntry, ShardPosition, SignedHead } from "../../shards/store.ts";
import { logStart } from "../../shards/store.ts";
import type { Timers } from "../../timers.ts";
import { pause, within } from "./waiting.ts";

/** Follows one hub: logs as they grow, heads on a beat, snapshots where it fell behind. */
export interface HubReader {
  readonly name: string;
  /** It answered lately. */
  readonly isReadable: () => boolean;
  readonly status: () => HubCourse<boolean>;
  /** It answered, and holds nothing under that name. */
  readonly isAbsent: (member: MemberName) => boolean;
  /** Resolves when both loops have ended, after the signal. */
  readonly done: Promise<void>;
}

export interface HubReaderOptions {
  readonly store: CatalogStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly timeoutMs: number;
  readonly pollMs: number;
  /** All members whose shards are wanted; may change. */
  readonly members: () => readonly MemberName[];
  readonly take: (member: MemberName, input: ShardInput) => ShardOutcome;
  /** The newest that was verified, whichever hub it came from. */
  readonly verifiedHead: (member: MemberName) => SignedHead | undefined;
  readonly positionOf: (member: MemberName) => ShardPosition | undefined;
  readonly charterNumber: () => number;
  readonly onCharters: (charters: readonly SignedCharter[]) => void;
}

/** Bounds how late a new member or a fetched snapshot joins what is followed. */
const logWaitMs = 1000;
/** A head may be seen before the log entry that it belongs to: no reason to fetch all. */
const logGraceMs = 400;
/** How late a denial is heard at most; heads are asked for a third of a lease apart. */
const charterMs = 1000;
const snapshotsAtOnce = 8;
/** A writer whose every entry sends its readers back to the snapshot must not make them fetch in a loop. */
const snapshotsPerSecond = 4;
const refetchRestMs = 250;
/** A whole shard over a slow path; a hub that sends nothing is given up earlier by its store. */
const snapshotExtraMs = 7500;
const backoff = { firstMs: 100, maxMs: 1000 } as const;

export function startHubReader(options: HubReaderOptions): HubReader {
  const { store, timers, signal } = options;
  const cursors = new Map<MemberName, string>();
  const absent = new Set<MemberName>();
  const pace = createLogPace();
  /** Snapshots read in the last second. */
  const fetches = new Map<MemberName, number>();
  let isReadable = false;
  let sinceMs = options.clock.nowMs();
  let lastError: HubError | undefined;
  let answers = 0;
  let chartersReadMs = Number.NEGATIVE_INFINITY;

  const ask = <Result>(
    run: (signal: AbortSignal) => Promise<Result>,
    extraMs = 0,
  ): Promise<Result> => {
    const ms = options.timeoutMs + extraMs;
    return within({ ms, timers, signal, what: `read ${store.name}` }, run);
  };
  const enter = (next: boolean): void => {
    if (next !== isReadable) sinceMs = options.clock.nowMs();
    isReadable = next;
  };
  const answered = (): void => {
    if (!isReadable) options.log.info({ hub: store.name }, "Hub can be read");
    enter(true);
    answers += 1;
  };

  const countFetch = (member: MemberName, by: 1 | -1): void => {
    const count = (fetches.get(member) ?? 0) + by;
    if (count === 0) fetches.delete(member);
    else fetches.set(member, count);
  };
  const fetchSnapshot = async (member: MemberName): Promise<void> => {
    const snapshot = await ask((own) => store.readSnapshot(member, own), snapshotExtraMs);
    answered();
    countFetch(member, 1);
    timers.after(1000, () => countFetch(member, -1));
    if (snapshot === undefined) {
      absent.add(member);
      // Its first write will be in the log.
      cursors.set(member, logStart);
      return;
    }
    absent.delete(member);
    cursors.set(member, snapshot.cursor);
    options.take(member, { t: "snapshot", snapshot });
  };
  const fetchSnapshots = async (members: readonly MemberName[]): Promise<void> => {
    const queue = [...members];
    const worker = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        await fetchSnapshot(next);
      }
    };
    await Promise.all(Array.from({ length: Math.min(snapshotsAtOnce, queue.length) }, worker));
  };

  const followOnce = async (): Promise<void> => {
    const wanted = new Set(options.members());
    for (const member of cursors.keys()) if (!wanted.has(member)) cursors.delete(member);
    const lost = [...wanted].filter((member) => !cursors.has(member));
    if (lost.some((member) => (fetches.get(member) ?? 0) >= snapshotsPerSecond)) {
      await pause(refetchRestMs, { timers, signal });
    }
    await fetchSnapshots(lost);
    const nowMs = options.clock.monotonicMs();
    const asked = new Map([...cursors].filter(([member]) => !pace.isResting(member, nowMs)));
    if (asked.size === 0) return pause(logWaitMs, { timers, signal });
    // Beside the log, and told of by the poll when it fails: neither waits for the other.
    if (nowMs - chartersReadMs >= charterMs) void readCharters().catch(() => undefined);
    const entries = await ask(
      (own) => store.readLog(asked, { waitMs: logWaitMs, signal: own }),
      logWaitMs,
    );
    answered();
    for (const entry of entries) takeEntry(entry, asked);
  };
  const takeEntry = (entry: LogEntry, asked: Map<MemberName, string>): void => {
    const { member } = entry;
    const expected = asked.get(member);
    // A snapshot was fetched meanwhile: it is newer than what was asked for.
    if (expected === undefined || cursors.get(member) !== expected) return;
    cursors.set(member, entry.cursor);
    asked.set(member, entry.cursor);
    const outcome = options.take(member, { t: "entry", entry });
    pace.took(member, outcome, options.clock.monotonicMs());
    // Without a cursor the next round reads the snapshot.
    if (outcome.isBehind) cursors.delete(member);
  };

  const pollOnce = async (): Promise<void> => {
    const members = options.members();
    const { verifiedHead: known } = options;
    const heads = await ask((own) => store.readHeads(members, { signal: own, known }));
    // Where nobody else is in the charter nobody was asked.
    if (members.length > 0) answered();
    const behind: (readonly [MemberName, SignedHead])[] = [];
    for (const member of members) {
      const head = heads.get(member);
      if (head === undefined) {
        absent.add(member);
        continue;
      }
      absent.delete(member);
      if (options.take(member, { t: "head", head }).isBehind) behind.push([member, head]);
    }
    await readCharters();
    if (behind.length === 0) return;
    await pause(logGraceMs, { timers, signal });
    const late = behind.filter(([member, head]) => isStillBehind(member, head));
    await fetchSnapshots(late.map(([member]) => member));
  };
  const readCharters = async (): Promise<void> => {
    const above = options.charterNumber();
    chartersReadMs = options.clock.monotonicMs();
    const charters = await ask((own) => store.readCharters({ above }, own));
    answered();
    if (charters.length > 0) options.onCharters(charters);
  };
  const isStillBehind = (member: MemberName, signed: SignedHead): boolean => {
    const held = options.positionOf(member);
    const head = peekHead(signed.bytes);
    if (held === undefined || head === undefined) return true;
    if (head.epoch !== held.epoch) return head.epoch > held.epoch;
    return head.seq > held.seq || (head.seq === held.seq && head.digest > held.digest);
  };

  const repeat = async (
    once: () => Promise<void>,
    rest: { readonly ms: number; readonly firstMs: number },
  ): Promise<void> => {
    let failures = 0;
    let restMs = rest.firstMs;
    while (!signal.aborted) {
      const before = answers;
      try {
        await once();
        failures = 0;
        if (restMs > 0) await pause(restMs, { timers, signal });
        restMs = rest.ms;
      } catch (cause) {
        if (signal.aborted) return;
        const fields = { hub: store.name, reason: reasonOf(cause) };
        if (failures === 0) options.log.warn(fields, "Cannot read a hub");
        // A call that hung since the fault says nothing when others were answered meanwhile.
        if (answers === before) enter(false);
        lastError = { reason: fields.reason, atMs: options.clock.nowMs() };
        // All agents lose a hub at the same moment.
        const waitMs = inUpperHalf(backoffCeilingMs(backoff, failures), options.random);
        failures += 1;
        await pause(Math.min(waitMs, options.pollMs), { timers, signal });
      }
    }
  };

  const follow = repeat(followOnce, { ms: 0, firstMs: 0 });
  // Hubs are polled at moments of their own: what one of them told the others need not repeat.
  const firstMs = options.pollMs * options.random();
  const done = Promise.all([follow, repeat(pollOnce, { ms: options.pollMs, firstMs })]);
  return {
    name: store.name,
    isReadable: () => isReadable,
    status: () => ({
      state: isReadable,
      sinceMs,
      ...(lastError === undefined ? {} : { lastError }),
    }),
    isAbsent: (member) => absent.has(member),
    done: done.then(() => undefined),
  };
}
