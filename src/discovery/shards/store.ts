import type { SignedCharter } from "../../mesh/charter.ts";
import type { MemberName } from "../../mesh/ids.ts";
import type { Signature } from "../../mesh/ports.ts";

/** Records by key, as they were signed: never parsed on the way. */
export type RawRecords = ReadonlyMap<string, Uint8Array>;

/** Which content of a shard. Epochs order writers, seqs order the writes of one. */
export interface ShardPosition {
  readonly epoch: number;
  readonly seq: number;
  /** Hex; see `buckets.ts`. */
  readonly digest: string;
}

export interface SignedHead {
  /** UTF-8 JSON; see `head.ts`. */
  readonly bytes: Uint8Array;
  readonly signature: Signature;
}

/**
 * One atomic write of a shard. `beat` replaces the head only; `delta` applies changed and removed and
 * is logged; `whole` replaces all records and is logged without them (readers fetch the snapshot).
 */
export interface ShardWrite {
  readonly t: "beat" | "delta" | "whole";
  readonly member: MemberName;
  /**
   * The write happens only where the hub holds exactly this; undefined: holds nothing. It is the
   * fence: a writer that was replaced meanwhile expects what is no longer there.
   */
  readonly expected: ShardPosition | undefined;
  readonly position: ShardPosition;
  readonly changed: RawRecords;
  readonly removed: readonly string[];
  readonly head: SignedHead;
}

/** What a hub holds under a member's name. The position is the hub's word, the head is signed. */
export interface HeldHead {
  readonly position: ShardPosition;
  readonly head: SignedHead;
}

export type PublishResult =
  | { readonly t: "stored" }
  /** The hub holds something else; its head says who wrote that. Nothing was written. */
  | { readonly t: "moved"; readonly held: HeldHead | undefined };

export interface ShardSnapshot {
  readonly records: RawRecords;
  readonly head: SignedHead;
  /** Where the log goes on from this content. */
  readonly cursor: string;
}

export interface LogEntry {
  readonly member: MemberName;
  /** Where the log goes on after this entry. */
  readonly cursor: string;
  readonly t: "delta" | "whole";
  readonly changed: RawRecords;
  readonly removed: readonly string[];
  readonly head: SignedHead;
}

/** Follows a log from its beginning. */
export const logStart = "0-0";

/**
 * One hub: a bus, not a truth. Everything read from it is untrusted until its head was verified.
 * Every call throws MESH_CATALOG_UNAVAILABLE when the hub does not answer, and rejects with the
 * signal's reason when that is aborted. Calls to `publish` take effect in the order they were made.
 */
export interface CatalogStore extends AsyncDisposable {
  /** For logs and findings; carries no secret. */
  readonly name: string;
  /** A `delta` whose position is held already counts as stored: a client may have sent it twice. */
  readonly publish: (write: ShardWrite, signal: AbortSignal) => Promise<PublishResult>;
  /** Records, head and cursor of one moment; undefined when the hub holds no such shard. */
  readonly readSnapshot: (
    member: MemberName,
    signal: AbortSignal,
  ) => Promise<ShardSnapshot | undefined>;
  /** One read for all: members without a head are left out. */
  readonly readHeads: (
    members: readonly MemberName[],
    options: {
      readonly signal: AbortSignal;
      /**
       * A head of that member whose signature was verified: need not be sent again where it stands still.
       * An unverified one would let one hub hide what another one holds.
       */
      readonly known?: (member: MemberName) => SignedHead | undefined;
    },
  ) => Promise<ReadonlyMap<MemberName, SignedHead>>;
  /**
   * Entries after the cursors, oldest first per member; waits up to `waitMs` for the first, then may
   * be empty. A log may have lost entries or start anew: seq and epoch tell.
   */
  readonly readLog: (
    cursors: ReadonlyMap<MemberName, string>,
    options: { readonly waitMs: number; readonly signal: AbortSignal },
  ) => Promise<readonly LogEntry[]>;
  /**
   * Charters that members stored, of those whose number, by the hub's word, is above this one. Anybody
   * may have stored them, also a member that this agent does not know yet.
   */
  readonly readCharters: (
    options: { readonly above: number },
    signal: AbortSignal,
  ) => Promise<readonly SignedCharter[]>;
  /** States the newest charter that this member knows. */
  readonly putCharter: (entry: KnownCharter, signal: AbortSignal) => Promise<void>;
  /**
   * Why the hub, which still answers, takes no new connection with the credentials of now; undefined:
   * nobody knows of such a thing. A message for people.
   */
  readonly refusal?: () => string | undefined;
  /** Which of its servers is in use; undefined: none now, or it has no servers. */
  readonly server?: () => HubServer | undefined;
}

/** A server of a hub, e.g. the master that sentinels name or a cluster's node for the mesh's slot. */
export interface HubServer {
  readonly address: string;
  /** Since when it is this one, by the wall clock; connections to it may have come and gone. */
  readonly sinceMs: number;
}

export interface KnownCharter {
  readonly member: MemberName;
  readonly number: number;
  readonly charter: SignedCharter;
}

export function isSamePosition(
  left: ShardPosition | undefined,
  right: ShardPosition | undefined,
): boolean {
  return left?.epoch === right?.epoch && left?.seq === right?.seq && left?.digest === right?.digest;
}
