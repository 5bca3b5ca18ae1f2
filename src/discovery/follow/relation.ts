import type { ShardPosition } from "../shards/store.ts";

/** How a content of a shard stands to the one that is held. */
export type Relation = "older" | "same" | "conflict" | "next" | "ahead";

/** `next` is the one write after it: only that can be applied as a change. */
export function relationOf(head: ShardPosition, held: ShardPosition | undefined): Relation {
  if (held === undefined) return "ahead";
  const { epoch, seq, digest } = held;
  if (head.epoch !== epoch) return head.epoch < epoch ? "older" : "ahead";
  if (head.seq < seq) return "older";
  if (head.seq === seq) return head.digest === digest ? "same" : "conflict";
  return head.seq === seq + 1 ? "next" : "ahead";
}

export function isNewer(relation: Relation): boolean {
  return relation !== "older" && relation !== "same";
}
