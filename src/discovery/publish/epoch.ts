import type { Head, ShardOwner } from "../shards/head.ts";

/**
 * The epoch of a new writer: above every one seen in hubs and on disk, and at least the wall clock in
 * ms, so that a writer that lost all memory is still above its earlier lives. Source:
 * docs/decisions/catalog-writes-compare.md
 */
export function nextEpoch(from: {
  readonly seen: readonly number[];
  readonly nowMs: number;
}): number {
  return Math.max(Math.floor(from.nowMs), ...from.seen.map((epoch) => epoch + 1));
}

/** What a verified head under the own name means to the writer that finds it. */
export type Claimant =
  /** Superseded or rolled back: to be overwritten. */
  | { readonly t: "older" }
  /** Written by an earlier life of this instance, of which it knows nothing: the epoch must rise. */
  | { readonly t: "own-newer" }
  /** Another instance holds the name. */
  | { readonly t: "other"; readonly owner: ShardOwner };

/** Where the writer that asks stands. */
export interface OwnClaim {
  readonly epoch: number;
  readonly seq: number;
  readonly instance: string;
  /** It looked for others before it claimed the name; else a higher epoch is no right to it. */
  readonly hasLooked: boolean;
}

export function claimantOf(found: Pick<Head, "epoch" | "seq" | "owner">, own: OwnClaim): Claimant {
  if (found.owner.instance !== own.instance) {
    const isSuperseded = own.hasLooked && found.epoch < own.epoch;
    return isSuperseded ? { t: "older" } : { t: "other", owner: found.owner };
  }
  const isNewer = found.epoch > own.epoch || (found.epoch === own.epoch && found.seq > own.seq);
  return isNewer ? { t: "own-newer" } : { t: "older" };
}
