import type { MemberName, MeshDomain } from "../../../../mesh/ids.ts";

/** Where a member's shard lives. One hash tag per mesh, so all keys are in one slot of a cluster. */
export interface ShardKeys {
  /** Hash: record key → record. */
  readonly records: string;
  /** Stream of changes, the newest few. */
  readonly log: string;
  /** String: position, last entry of the log, signed head; see `codec.ts`. */
  readonly head: string;
  /** String: the newest charter that this member knows. */
  readonly charter: string;
}

export function keyPrefix(mesh: MeshDomain): string {
  return `isthmus:{${mesh}}:`;
}

export function shardKeys(mesh: MeshDomain, member: MemberName): ShardKeys {
  const prefix = `${keyPrefix(mesh)}${member}:`;
  return {
    records: `${prefix}records`,
    log: `${prefix}log`,
    head: `${prefix}head`,
    charter: `${prefix}charter`,
  };
}

/**
 * Sorted set: who stored a charter → its number, by that member's word. The only key that members
 * share; it names candidates and proves nothing. Source: docs/decisions/redis-layout.md
 */
export function charterIndexKey(mesh: MeshDomain): string {
  return `${keyPrefix(mesh)}charters`;
}
