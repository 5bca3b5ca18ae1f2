import type { CheckClaim } from "../../mesh/claim.ts";
import type { MemberName, MeshDomain } from "../../mesh/ids.ts";
import type { VerifySignature } from "../../mesh/ports.ts";
import type { Finding } from "../../mesh/service.ts";
import type { LeaseClock } from "../members/lease-clock.ts";
import { createLeaseClock } from "../members/lease-clock.ts";
import type { Buckets } from "../shards/buckets.ts";
import { createBuckets } from "../shards/buckets.ts";
import type { ShardOwner } from "../shards/head.ts";
import { positionOf } from "../shards/head.ts";
import type {
  LogEntry,
  RawRecords,
  ShardPosition,
  ShardSnapshot,
  SignedHead,
} from "../shards/store.ts";
import type { Found } from "./head-judge.ts";
import { createHeadJudge } from "./head-judge.ts";
import { ownCopies } from "./own-copies.ts";
import { isNewer, relationOf } from "./relation.ts";
import type { ContentChange, ShardContent } from "./shard-content.ts";
import { createShardContent } from "./shard-content.ts";
import { applyDelta, differenceOf, refusalOf } from "./shard-edit.ts";

/** Something that arrived about a shard, from any hub or from disk. All of it is untrusted. */
export type ShardInput =
  | { readonly t: "snapshot"; readonly snapshot: Omit<ShardSnapshot, "cursor"> }
  /** The copy on disk: its beat is of another life and says nothing. */
  | { readonly t: "disk"; readonly snapshot: Omit<ShardSnapshot, "cursor"> }
  | { readonly t: "entry"; readonly entry: LogEntry }
  | { readonly t: "head"; readonly head: SignedHead };

export interface ShardOutcome {
  /** The content was swapped; what differs. */
  readonly change?: ContentChange;
  readonly isNewBeat: boolean;
  /** The hub holds newer content than this reader: its snapshot should be read. */
  readonly isBehind: boolean;
  readonly problem?: Pick<Finding, "code" | "message">;
}

export interface ShardStatus {
  readonly position: ShardPosition | undefined;
  readonly owner: ShardOwner | undefined;
  /** The signer's certificate had run out when the content was read. */
  readonly isSignerExpired: boolean;
  /** The writer's clock against ours at its last new beat. */
  readonly skewMs: number | undefined;
}

/**
 * One remote member's shard, put together from all hubs. Content is swapped only when its digest fits
 * a head signed by that member; silence never removes anything. Source:
 * docs/decisions/one-signature-per-shard.md
 */
export interface RemoteShard {
  readonly member: MemberName;
  readonly content: ShardContent;
  readonly lease: LeaseClock;
  readonly take: (
    input: ShardInput,
    at: { readonly nowMs: number; readonly monotonicMs: number },
  ) => ShardOutcome;
  readonly status: () => ShardStatus;
  /** The newest whose signature was verified; content may not have come yet. */
  readonly verifiedHead: () => SignedHead | undefined;
  readonly findings: () => readonly Finding[];
  /** Records and head as they were read, for the copy on disk; undefined before the first. */
  readonly copy: () => Omit<ShardSnapshot, "cursor"> | undefined;
}

interface Held {
  readonly position: ShardPosition;
  readonly buckets: Buckets;
  readonly signed: SignedHead;
  readonly isSignerExpired: boolean;
  /** Of the certificate that signed it. */
  readonly notAfterMs: number;
}

export function createRemoteShard(options: {
  readonly mesh: MeshDomain;
  readonly member: MemberName;
  readonly verify: VerifySignature;
  readonly checkClaim: CheckClaim;
}): RemoteShard {
  const { member } = options;
  const content = createShardContent(options);
  const lease = createLeaseClock();
  const { judge, newest } = createHeadJudge({ ...options, lease });
  let held: Held | undefined;
  let owner: ShardOwner | undefined;
  let skewMs: number | undefined;
  let alarm: Finding | undefined;

  const swap = (next: Held, edit: Parameters<ShardContent["apply"]>[0]): ContentChange => {
    if (next.position.epoch !== held?.position.epoch) alarm = undefined;
    held = next;
    return content.apply(edit);
  };

  const takeSnapshot = (records: RawRecords, found: Found): Partial<ShardOutcome> => {
    const { head } = found;
    const refusal = refusalOf(records);
    if (refusal !== undefined) return problem("CATALOG_SHARD_UNFIT", refusal);
    const buckets = createBuckets(ownCopies(records));
    buckets.resize(head.buckets);
    if (buckets.digest() !== head.digest) {
      return problem("CATALOG_SHARD_UNFIT", "its records do not fit its head");
    }
    const edit = differenceOf(held?.buckets, buckets);
    return { change: swap(heldFrom(found, buckets), edit) };
  };

  const takeDelta = (entry: LogEntry, found: Found): Partial<ShardOutcome> => {
    const buckets = held?.buckets;
    if (buckets === undefined || refusalOf(entry.changed) !== undefined) return { isBehind: true };
    const undo = applyDelta(buckets, { entry, count: found.head.buckets });
    if (buckets.digest() === found.head.digest) {
      return { change: swap(heldFrom(found, buckets), entry) };
    }
    undo();
    return { isBehind: true, ...problem("CATALOG_SHARD_UNFIT", "a change does not fit its head") };
  };

  const takeContent = (input: ShardInput, found: Found): Partial<ShardOutcome> => {
    const relation = relationOf(found.head, held?.position);
    if (!isNewer(relation)) return {};
    if (relation === "conflict") {
      const message = `two contents are signed as epoch ${found.head.epoch} seq ${found.head.seq}`;
      alarm = { code: "CATALOG_SHARD_CONFLICT", severity: "error", subject: member, message };
      // Everybody must choose the same one.
      if (found.head.digest < (held?.position.digest ?? "")) return problem(alarm.code, message);
    }
    switch (input.t) {
      case "snapshot":
      case "disk":
        return takeSnapshot(input.snapshot.records, found);
      case "entry":
        return relation === "next" && input.entry.t === "delta"
          ? takeDelta(input.entry, found)
          : { isBehind: true };
      case "head":
        return { isBehind: true };
    }
  };

  return {
    member,
    content,
    lease,
    take: (input, at) => {
      const signed = headIn(input);
      const isSnapshot = input.t === "snapshot" || input.t === "disk";
      const verdict = judge(signed, { nowMs: at.nowMs, isSnapshot, held });
      if (verdict.t === "old") return nothing;
      if (verdict.t === "refused") {
        return { ...nothing, ...problem("CATALOG_HEAD_REFUSED", verdict.reason) };
      }
      const { found } = verdict;
      const { head, isExpired } = found;
      const isFirstBeat = lease.heardAtMs() === undefined;
      const isNewBeat = input.t !== "disk" && !isExpired && lease.beat(head, at);
      if (isNewBeat) {
        owner = head.owner;
        // The first that is seen may be the last of a member that died long ago.
        const aheadMs = head.timeMs - at.nowMs;
        if (!isFirstBeat || aheadMs > 0) skewMs = aheadMs;
      }
      if (held !== undefined && isNewBeat && relationOf(head, held.position) === "same") {
        held = { ...held, signed, isSignerExpired: false, notAfterMs: found.notAfterMs };
      }
      return { ...nothing, ...takeContent(input, found), isNewBeat };
    },
    status: () => ({
      position: held?.position,
      owner,
      isSignerExpired: held?.isSignerExpired ?? false,
      skewMs,
    }),
    verifiedHead: newest,
    findings: () => [...(alarm === undefined ? [] : [alarm]), ...content.findings()],
    copy: () =>
      held === undefined
        ? undefined
        : { records: new Map(held.buckets.entries()), head: held.signed },
  };
}

const nothing: ShardOutcome = { isNewBeat: false, isBehind: false };

function problem(
  code: string,
  message: string,
): { readonly problem: ShardOutcome["problem"] & {} } {
  return { problem: { code, message } };
}

function headIn(input: ShardInput): SignedHead {
  switch (input.t) {
    case "snapshot":
    case "disk":
      return input.snapshot.head;
    case "entry":
      return input.entry.head;
    case "head":
      return input.head;
  }
}

function heldFrom(found: Found, buckets: Buckets): Held {
  return {
    position: positionOf(found.head),
    buckets,
    signed: found.signed,
    isSignerExpired: found.isExpired,
    notAfterMs: found.notAfterMs,
  };
}
