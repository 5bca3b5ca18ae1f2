import type { MemberName } from "../../../mesh/ids.ts";
import { createBuckets } from "../../shards/buckets.ts";
import { peekHead } from "../../shards/head.ts";
import type { CatalogStore } from "../../shards/store.ts";
import type { Timers } from "../../timers.ts";
import { within } from "./waiting.ts";

/**
 * Whether the records that a hub holds fit the head beside them. It may have lost or changed some and
 * kept the head; only reading them tells. Which head it is, every write compares anyway.
 */
export async function auditHub(
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
