import { createBuckets } from "../../../src/discovery/shards/buckets.ts";
import type { Head } from "../../../src/discovery/shards/head.ts";
import { createHeadSigner } from "../../../src/discovery/shards/head.ts";
import type {
  LogEntry,
  RawRecords,
  ShardSnapshot,
  SignedHead,
} from "../../../src/discovery/shards/store.ts";
import type { MemberName } from "../../../src/mesh/ids.ts";
import type { FakeTrust } from "./fake-trust.ts";
import { mesh } from "./made.ts";

/** A writer by hand: makes any head and snapshot of a shard, well signed. */
export interface HandWriter {
  readonly head: (change?: Partial<Head>) => Promise<SignedHead>;
  readonly snapshot: (records: RawRecords, change?: Partial<Head>) => Promise<ShardSnapshot>;
  /** The step from one content to the next. */
  readonly delta: (
    step: { readonly from: RawRecords; readonly to: RawRecords },
    change?: Partial<Head>,
  ) => Promise<LogEntry>;
}

export function createHandWriter(
  member: MemberName,
  options: { readonly trust: FakeTrust; readonly nowMs: number },
): HandWriter {
  const sign = createHeadSigner(options.trust.signFor(member));
  const base: Head = {
    mesh,
    member,
    epoch: 100,
    seq: 1,
    beat: 1,
    leaseMs: 10_000,
    buckets: 1,
    digest: createBuckets().digest(),
    timeMs: options.nowMs,
    owner: { instance: "one", host: "vm" },
  };
  const headOver = (records: RawRecords, change: Partial<Head>): Promise<SignedHead> => {
    const buckets = createBuckets(records);
    buckets.resize(change.buckets ?? buckets.count());
    return sign({ ...base, buckets: buckets.count(), digest: buckets.digest(), ...change });
  };
  return {
    head: (change = {}) => sign({ ...base, ...change }),
    snapshot: async (records, change = {}) => ({
      records,
      head: await headOver(records, change),
      cursor: "1-0",
    }),
    delta: async ({ from, to }, change = {}) => ({
      t: "delta",
      member,
      cursor: "2-0",
      changed: new Map(
        [...to].filter(
          ([key, bytes]) => Buffer.compare(from.get(key) ?? Buffer.alloc(0), bytes) !== 0,
        ),
      ),
      removed: [...from.keys()].filter((key) => !to.has(key)),
      head: await headOver(to, { seq: 2, beat: 2, ...change }),
    }),
  };
}
