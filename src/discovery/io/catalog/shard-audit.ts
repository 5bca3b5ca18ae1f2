import { reasonOf } from "../../../mesh/errors.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type { Clock, Log } from "../../../mesh/ports.ts";
import { createBuckets } from "../../shards/buckets.ts";
import { peekHead } from "../../shards/head.ts";
import type { CatalogStore } from "../../shards/store.ts";
import type { Timers } from "../../timers.ts";
import { within } from "./waiting.ts";

/**
 * Looks now and then whether the records that each hub holds fit the head beside them. A hub may have
 * lost or changed some and kept the head; only reading them tells. Which head it is, every write
 * compares anyway.
 */
export interface ShardAudit {
  /** Reads every hub if it is time to; call with each renewal. `records` is how many the shard has. */
  readonly look: (records: number) => void;
}

/**
 * How often records are read, which costs: with every renewal a shard of some 100 kB, a large one once
 * in a minute by default.
 */
const pace = { recordsPerRenewal: 400, maxRenewals: 20 } as const;

export function createShardAudit(options: {
  readonly member: MemberName;
  readonly stores: readonly CatalogStore[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly renewMs: number;
  /** Deadline of each read. */
  readonly ms: number;
  readonly signal: AbortSignal;
  /** The hub at this place of `stores` holds records that do not fit. */
  readonly onSpoilt: (index: number) => void;
}): ShardAudit {
  const { stores, clock, log, renewMs } = options;
  let dueMs = clock.monotonicMs() + renewMs;

  const audit = async (store: CatalogStore, index: number): Promise<void> => {
    try {
      if (!(await isWhole(store, options))) options.onSpoilt(index);
    } catch (cause) {
      log.debug({ hub: store.name, reason: reasonOf(cause) }, "Cannot audit");
    }
  };
  return {
    look: (records) => {
      const nowMs = clock.monotonicMs();
      if (nowMs < dueMs) return;
      dueMs = nowMs + renewMs * renewalsPerAudit(records);
      for (const [index, store] of stores.entries()) void audit(store, index);
    },
  };
}

async function isWhole(
  store: CatalogStore,
  limit: {
    readonly member: MemberName;
    readonly ms: number;
    readonly timers: Timers;
    readonly signal: AbortSignal;
  },
): Promise<boolean> {
  const snapshot = await within({ ...limit, what: `read ${store.name}` }, (signal) =>
    store.readSnapshot(limit.member, signal),
  );
  const head = snapshot && peekHead(snapshot.head.bytes);
  if (snapshot === undefined || head === undefined) return false;
  const buckets = createBuckets(snapshot.records);
  buckets.resize(head.buckets);
  return buckets.digest() === head.digest;
}

function renewalsPerAudit(records: number): number {
  const { recordsPerRenewal, maxRenewals } = pace;
  return Math.max(1, Math.min(maxRenewals, Math.ceil(records / recordsPerRenewal)));
}
