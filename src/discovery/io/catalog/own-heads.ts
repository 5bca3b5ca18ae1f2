import type { MemberName, MeshDomain } from "../../../mesh/ids.ts";
import type { Clock, Sign } from "../../../mesh/ports.ts";
import { nextEpoch } from "../../publish/epoch.ts";
import type { Buckets } from "../../shards/buckets.ts";
import type { Head, ShardOwner } from "../../shards/head.ts";
import { createHeadSigner, positionOf } from "../../shards/head.ts";
import type { RawRecords } from "../../shards/store.ts";
import type { ShardTarget } from "./hub-writer.ts";

/** Signs the heads of the own shard and keeps the numbers that order them. */
export interface OwnHeads {
  readonly numbers: () => Pick<Head, "epoch" | "seq" | "beat">;
  /** What every hub should hold; undefined while no signed head fits the content. */
  readonly target: () => ShardTarget | undefined;
  /** The content changes: until it is signed it is ahead of every head that exists. */
  readonly outdate: () => void;
  /** Signs new content as the next seq, or the same once more, which shows that its writer lives. */
  readonly sign: (content: Buckets, as: "content" | "beat") => Promise<ShardTarget>;
  /** When the next beat is due, by the monotonic clock. */
  readonly beatDueMs: () => number;
  /** The epoch must exceed this one before anything else is signed. */
  readonly askAbove: (seen: number) => void;
  readonly isRiseAsked: () => boolean;
  /** Raises the epoch as it was asked for; throws when it cannot be saved. */
  readonly rise: () => Promise<void>;
  /** Some hub took a head. */
  readonly stored: () => void;
}

export function createOwnHeads(options: {
  readonly mesh: MeshDomain;
  readonly member: MemberName;
  /** As of now: the Lease that elects it is known only after a while. */
  readonly owner: () => ShardOwner;
  readonly sign: Sign;
  readonly clock: Clock;
  readonly leaseMs: number;
  readonly renewMs: number;
  /** Highest epoch that this instance remembers. */
  readonly epoch: number;
  readonly saveEpoch: (epoch: number) => Promise<void>;
  /** The epoch must rise: `rise` and `sign` are due. */
  readonly onAsked: () => void;
}): OwnHeads {
  const { clock } = options;
  const signHead = createHeadSigner(options.sign);
  let { epoch } = options;
  let seq = 0;
  let beat = 0;
  let target: ShardTarget | undefined;
  // An epoch under the own name that this writer's must exceed.
  let epochAbove: number | undefined;
  let beatDueMs = 0;
  // When the epoch was chosen or some hub took a write of it.
  let heardAtMs = clock.monotonicMs();

  const askAbove = (seen: number): void => {
    epochAbove = Math.max(seen, epochAbove ?? 0);
    options.onAsked();
  };

  return {
    numbers: () => ({ epoch, seq, beat }),
    target: () => target,
    outdate: () => {
      target = undefined;
    },
    sign: async (content, as) => {
      // Heads that fail to be signed leave numbers out; readers of a log then read the snapshot.
      if (as === "content") seq += 1;
      beat += 1;
      const head: Head = {
        mesh: options.mesh,
        member: options.member,
        epoch,
        seq,
        beat,
        leaseMs: options.leaseMs,
        buckets: content.count(),
        digest: content.digest(),
        timeMs: Math.floor(clock.nowMs()),
        owner: options.owner(),
      };
      const signed = await signHead(head);
      const records = (): RawRecords => new Map(content.entries());
      target = { position: positionOf(head), head: signed, records };
      beatDueMs = clock.monotonicMs() + options.renewMs;
      return target;
    },
    beatDueMs: () => beatDueMs,
    askAbove,
    isRiseAsked: () => epochAbove !== undefined,
    rise: async () => {
      const next = nextEpoch({ seen: [epochAbove ?? 0, epoch], nowMs: clock.nowMs() });
      // On disk before the first use: an epoch that was used and forgotten could be used twice.
      await options.saveEpoch(next);
      epoch = next;
      seq = 0;
      beat = 0;
      epochAbove = undefined;
      heardAtMs = clock.monotonicMs();
      target = undefined;
    },
    stored: () => {
      const nowMs = clock.monotonicMs();
      // Unheard for a lease: another instance may have held the name meanwhile, and readers may know its
      // epoch though no hub does any more.
      if (nowMs - heardAtMs >= options.leaseMs) askAbove(epoch);
      heardAtMs = nowMs;
    },
  };
}
