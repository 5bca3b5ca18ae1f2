import { backoffCeilingMs } from "../../../mesh/backoff.ts";
import { reasonOf } from "../../../mesh/errors.ts";
import type { Clock, Log } from "../../../mesh/ports.ts";
import type { HubCourse, HubError, HubState } from "../../publish/hub-status.ts";
import type {
  CatalogStore,
  HeldHead,
  PublishResult,
  RawRecords,
  ShardPosition,
  ShardWrite,
  SignedHead,
} from "../../shards/store.ts";
import type { Timers } from "../../timers.ts";
import { within } from "./waiting.ts";

/** What every hub should hold. */
export interface ShardTarget {
  readonly position: ShardPosition;
  readonly head: SignedHead;
  readonly records: () => RawRecords;
}

/** Brings one hub in step with this member's shard and keeps it there. */
export interface HubWriter {
  readonly name: string;
  /** Sends a write after those before it; a hub that is out of step gets the whole shard instead. */
  readonly push: (write: Omit<ShardWrite, "expected">) => void;
  /** Sends the whole shard, whatever the hub is thought to hold. */
  readonly resync: () => void;
  readonly status: () => HubCourse<HubState>;
  /** Resolves when nothing is under way. */
  readonly settled: () => Promise<void>;
}

/** Writes under way at once: enough to fill a path of 120 ms with 200 changes a second. */
const maxOutstanding = 64;
/** Writes kept while the whole shard is on its way; more make another whole one cheaper. */
const maxBacklog = 256;
const maxAttempts = 8;
/** A whole shard may have megabytes; a path that carries less than 1 MB/s is not expected. */
const msPerByte = 1 / 1000;
/**
 * A hub that refused or went silent is asked again soon, because it may be back any moment: but each
 * try sends the whole shard, and must not be what keeps the hub in trouble.
 */
const retry = { firstMs: 100, maxMs: 1000, msPerByte: 1 / 200, longestMs: 3000 } as const;

export function createHubWriter(options: {
  readonly store: CatalogStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Undefined while there is no head that fits the content. */
  readonly target: () => ShardTarget | undefined;
  readonly member: ShardWrite["member"];
  /** The hub took a write: readers of it can see that this writer lives. */
  readonly onStored: () => void;
  /** Judges what stands in the hub instead of what was expected: overwrite it or leave it. */
  readonly judge: (held: HeldHead) => "overwrite" | "leave";
}): HubWriter {
  const { store, member } = options;
  const outstanding = new Set<Promise<void>>();
  let state: HubState = "behind";
  let sinceMs = options.clock.nowMs();
  let lastError: HubError | undefined;
  // What the hub will hold when all that is under way has been done.
  let tail: ShardPosition | undefined;
  let syncing: Promise<void> | undefined;
  let isSyncAsked = false;
  let backlog: Omit<ShardWrite, "expected">[] = [];
  let failures = 0;
  let isRetrying = false;
  /** Whether the log's last word is that it cannot be written. */
  let isLost = false;

  const send = (write: ShardWrite): Promise<PublishResult> =>
    within(
      {
        ms: options.timeoutMs + sizeOf(write.changed) * msPerByte,
        timers: options.timers,
        signal: options.signal,
        what: `write to ${store.name}`,
      },
      (signal) => store.publish(write, signal),
    );
  const failed = (cause: unknown): void => {
    enter("unreachable", cause);
    if (isRetrying || options.signal.aborted) return;
    isRetrying = true;
    const soonMs = backoffCeilingMs(retry, failures);
    const wholeMs = sizeOf(options.target()?.records() ?? new Map()) * retry.msPerByte;
    failures += 1;
    options.timers.after(Math.max(soonMs, Math.min(retry.longestMs, wholeMs)), () => {
      isRetrying = false;
      if (state === "unreachable") resync();
    });
  };
  const enter = (next: HubState, cause?: unknown): void => {
    const nowMs = options.clock.nowMs();
    if (cause !== undefined) lastError = { reason: reasonOf(cause), atMs: nowMs };
    if (next === state) return;
    state = next;
    sinceMs = nowMs;
    const fields = {
      hub: store.name,
      state,
      ...(cause === undefined ? {} : { reason: reasonOf(cause) }),
    };
    if (next === "synced" && isLost) options.log.info(fields, "Hub can be written");
    if (next !== "behind") isLost = next === "unreachable";
    if (next === "unreachable") options.log.warn(fields, "Cannot write to a hub");
    else options.log.debug(fields, "Hub state changed");
  };

  const stored = (): void => {
    failures = 0;
    options.onStored();
  };

  const sendNow = (write: Omit<ShardWrite, "expected">): void => {
    if (outstanding.size >= maxOutstanding) {
      enter("behind");
      return resync();
    }
    const expected = tail;
    tail = write.position;
    const sent = send({ ...write, expected }).then((result) => {
      if (result.t === "stored") return stored();
      if (state !== "synced") return;
      enter("behind");
      resync();
    }, failed);
    outstanding.add(sent);
    void sent.finally(() => outstanding.delete(sent));
  };

  const sync = async (): Promise<void> => {
    await Promise.allSettled(outstanding);
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const target = options.target();
      if (target === undefined) return;
      // All that was pushed so far is in the target.
      backlog = [];
      const result = await send(wholeWrite(target, { member, expected: tail }));
      if (result.t === "stored") {
        tail = target.position;
        stored();
        if (isOverflown()) continue;
        return catchUp();
      }
      tail = result.held?.position;
      if (result.held === undefined) continue;
      if (options.judge(result.held) === "leave") return enter("behind");
    }
  };
  const isOverflown = (): boolean => backlog.length > maxBacklog;
  const catchUp = (): void => {
    enter("synced");
    const missed = backlog;
    backlog = [];
    for (const write of missed) sendNow(write);
  };

  const syncUntilDone = async (): Promise<void> => {
    do {
      isSyncAsked = false;
      try {
        await sync();
      } catch (cause) {
        failed(cause);
      }
    } while (isSyncAsked && !options.signal.aborted);
    syncing = undefined;
  };
  const resync = (): void => {
    isSyncAsked = true;
    syncing ??= syncUntilDone();
  };

  return {
    name: store.name,
    push: (write) => {
      if (syncing !== undefined) {
        if (!isOverflown()) backlog.push(write);
      } else if (state === "synced") sendNow(write);
      // An unreachable one gets all of it with the next try.
      else if (state === "behind") resync();
    },
    resync: () => {
      if (state === "synced") enter("behind");
      resync();
    },
    status: () => ({ state, sinceMs, ...(lastError === undefined ? {} : { lastError }) }),
    settled: async () => {
      while (syncing !== undefined || outstanding.size > 0) {
        await Promise.allSettled([...outstanding, syncing]);
      }
    },
  };
}

function sizeOf(records: RawRecords): number {
  let bytes = 0;
  for (const record of records.values()) bytes += record.length;
  return bytes;
}

function wholeWrite(
  target: ShardTarget,
  to: { readonly member: ShardWrite["member"]; readonly expected: ShardPosition | undefined },
): ShardWrite {
  return {
    t: "whole",
    member: to.member,
    expected: to.expected,
    position: target.position,
    changed: target.records(),
    removed: [],
    head: target.head,
  };
}
