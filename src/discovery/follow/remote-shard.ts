import type { CheckClaim } from "../../mesh/claim.ts";
import type { MemberName, MeshDomain } from "../../mesh/ids.ts";
import type { VerifySignature } from "../../mesh/ports.ts";
import type { Finding } from "../../mesh/service.ts";
import type { LeaseClock } from "../members/lease-clock.ts";
import { createLeaseClock } from "../members/lease-clock.ts";
import type { Buckets } from "../shards/buckets.ts";
import { createBuckets } from "../shards/buckets.ts";
import type { Head, ShardOwner } from "../shards/head.ts";
import { isFarAhead, peekHead, positionOf, verifyHead } from "../shards/head.ts";
import { parseRecordKey } from "../shards/record-key.ts";
import { maxRecordBytes } from "../shards/records.ts";
import type {
  LogEntry,
  RawRecords,
  ShardPosition,
  ShardSnapshot,
  SignedHead,
} from "../shards/store.ts";
import { ownCopies } from "./own-copies.ts";
import type { ContentChange, ShardContent } from "./shard-content.ts";
import { createShardContent } from "./shard-content.ts";

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
  readonly findings: () => readonly Finding[];
  /** Records and head as they were read, for the copy on disk; undefined before the first. */
  readonly copy: () => Omit<ShardSnapshot, "cursor"> | undefined;
}

const maxRecords = 100_000;
const maxShardBytes = 67_108_864;

interface Held {
  readonly position: ShardPosition;
  readonly buckets: Buckets;
  readonly signed: SignedHead;
  readonly isSignerExpired: boolean;
  /** Of the certificate that signed it. */
  readonly notAfterMs: number;
}

interface Context {
  readonly nowMs: number;
  readonly monotonicMs: number;
}

type Relation = "older" | "same" | "conflict" | "next" | "ahead";

export function createRemoteShard(options: {
  readonly mesh: MeshDomain;
  readonly member: MemberName;
  readonly verify: VerifySignature;
  readonly checkClaim: CheckClaim;
}): RemoteShard {
  const { mesh, member } = options;
  const content = createShardContent(options);
  const lease = createLeaseClock();
  let held: Held | undefined;
  let verified: Found | undefined;
  let owner: ShardOwner | undefined;
  let skewMs: number | undefined;
  let alarm: Finding | undefined;

  const judge = (signed: SignedHead, at: Context, isSnapshot: boolean): Judged => {
    // The same bytes were verified already: heads come once from every hub.
    // The signature that was checked is kept, not the one that came with them this time.
    if (verified !== undefined && Buffer.compare(verified.signed.bytes, signed.bytes) === 0) {
      return { t: "ok", found: verified };
    }
    const peeked = peekHead(signed.bytes);
    if (peeked !== undefined && !lease.isNews(peeked) && relationOf(peeked, held) === "older") {
      return { t: "old" };
    }
    const verdict = verifyHead(signed, {
      mesh,
      member,
      verify: options.verify,
      nowMs: at.nowMs,
      // Heads prove life, so they must be fresh; content outlives its signer's certificate.
      allowExpired: isSnapshot,
    });
    if (verdict.t === "refused") return verdict;
    if (isFarAhead(verdict.head, at.nowMs)) {
      return { t: "refused", reason: `its epoch ${verdict.head.epoch} is more than a day ahead` };
    }
    const { head, isExpired, notAfterMs } = verdict;
    // An old key that got into other hands must not outdo the ones that came after it.
    if (isExpired && held !== undefined && notAfterMs < held.notAfterMs) {
      if (isNewer(relationOf(head, held))) {
        return { t: "refused", reason: "it is signed with a key that has been replaced since" };
      }
    }
    const found = { head, signed, isExpired, notAfterMs };
    if (!isExpired) verified = found;
    return { t: "ok", found };
  };

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
    const undo = applyDelta(buckets, entry, found.head.buckets);
    if (buckets.digest() === found.head.digest) {
      return { change: swap(heldFrom(found, buckets), entry) };
    }
    undo();
    return { isBehind: true, ...problem("CATALOG_SHARD_UNFIT", "a change does not fit its head") };
  };

  const takeContent = (input: ShardInput, found: Found): Partial<ShardOutcome> => {
    const relation = relationOf(found.head, held);
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
      const verdict = judge(signed, at, isSnapshot);
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
      if (held !== undefined && isNewBeat && relationOf(head, held) === "same") {
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
    findings: () => [...(alarm === undefined ? [] : [alarm]), ...content.findings()],
    copy: () =>
      held === undefined
        ? undefined
        : { records: new Map(held.buckets.entries()), head: held.signed },
  };
}

type Judged =
  | { readonly t: "ok"; readonly found: Found }
  | { readonly t: "old" }
  | { readonly t: "refused"; readonly reason: string };

interface Found {
  readonly head: Head;
  readonly signed: SignedHead;
  readonly isExpired: boolean;
  readonly notAfterMs: number;
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

function relationOf(head: ShardPosition, held: Held | undefined): Relation {
  if (held === undefined) return "ahead";
  const { epoch, seq, digest } = held.position;
  if (head.epoch !== epoch) return head.epoch < epoch ? "older" : "ahead";
  if (head.seq < seq) return "older";
  if (head.seq === seq) return head.digest === digest ? "same" : "conflict";
  return head.seq === seq + 1 ? "next" : "ahead";
}

function isNewer(relation: Relation): boolean {
  return relation !== "older" && relation !== "same";
}

/** Bounds what a hub can make this process hold. */
function refusalOf(records: RawRecords): string | undefined {
  if (records.size > maxRecords) return `it has ${records.size} records`;
  let bytes = 0;
  for (const [key, record] of records) {
    bytes += record.length;
    if (record.length > maxRecordBytes) return `record ${key.slice(0, 200)} is too large`;
    if (parseRecordKey(key) === undefined) return "a key is not one of ours";
  }
  return bytes > maxShardBytes ? `it has ${bytes} bytes` : undefined;
}

/** Applies and returns how to take it back. */
function applyDelta(buckets: Buckets, entry: LogEntry, count: number): () => void {
  const keys = [...entry.changed.keys(), ...entry.removed];
  const before = new Map(keys.map((key) => [key, buckets.get(key)]));
  const countBefore = buckets.count();
  for (const [key, bytes] of ownCopies(entry.changed)) buckets.set(key, bytes);
  for (const key of entry.removed) buckets.delete(key);
  buckets.resize(count);
  return () => {
    for (const [key, bytes] of before) {
      if (bytes === undefined) buckets.delete(key);
      else buckets.set(key, bytes);
    }
    buckets.resize(countBefore);
  };
}

function differenceOf(
  before: Buckets | undefined,
  after: Buckets,
): { readonly changed: readonly [string, Uint8Array][]; readonly removed: readonly string[] } {
  const changed = [...after.entries()].filter(([key, bytes]) => {
    const known = before?.get(key);
    return known === undefined || Buffer.compare(known, bytes) !== 0;
  });
  const known = before === undefined ? [] : [...before.entries()];
  const removed = known.flatMap(([key]) => (after.get(key) === undefined ? [key] : []));
  return { changed, removed };
}
