import type { MemberName, MeshDomain } from "../../../mesh/ids.ts";
import type { Clock, VerifySignature } from "../../../mesh/ports.ts";
import { createRemoteShard } from "../../follow/remote-shard.ts";
import { instantOf } from "../../instant.ts";
import type { SnapshotStore } from "../../shards/snapshot-store.ts";
import type { CatalogStore, RawRecords } from "../../shards/store.ts";
import type { Timers } from "../../timers.ts";
import { within } from "./waiting.ts";

/**
 * What this member published last, by its own signature: the newest copy of disk and hubs. A restarted
 * agent must not withdraw more at once than a running one.
 */
export async function readOwnBase(options: {
  readonly mesh: MeshDomain;
  readonly member: MemberName;
  readonly stores: readonly CatalogStore[];
  readonly snapshots?: SnapshotStore;
  readonly verify: VerifySignature;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}): Promise<RawRecords> {
  const { mesh, member, verify, clock, timers, signal } = options;
  const own = createRemoteShard({ mesh, member, verify, checkClaim: () => ({ t: "ok" }) });
  const onDisk = await options.snapshots?.load(member);
  if (onDisk !== undefined) own.take({ t: "disk", snapshot: onDisk }, instantOf(clock));
  const reads = options.stores.map(async (store) => {
    const limit = { ms: options.timeoutMs, timers, signal, what: `read ${store.name}` };
    const snapshot = await within(limit, (inner) => store.readSnapshot(member, inner));
    if (snapshot !== undefined) own.take({ t: "snapshot", snapshot }, instantOf(clock));
  });
  // A hub that does not answer now is brought in step when it does.
  await Promise.allSettled(reads);
  return own.copy()?.records ?? new Map();
}
