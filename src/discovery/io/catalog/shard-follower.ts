import type { Charter } from "../../../mesh/charter.ts";
import type { CheckClaim } from "../../../mesh/claim.ts";
import { reasonOf } from "../../../mesh/errors.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type { Clock, Log, Random, VerifySignature } from "../../../mesh/ports.ts";
import type { CatalogEvent } from "../../follow/catalog-event.ts";
import type { ShardSet } from "../../follow/shard-set.ts";
import { createShardSet } from "../../follow/shard-set.ts";
import { type Instant, instantOf } from "../../instant.ts";
import type { SnapshotStore } from "../../shards/snapshot-store.ts";
import type { CatalogStore } from "../../shards/store.ts";
import type { Timers } from "../../timers.ts";
import type { HubReader } from "./hub-reader.ts";
import { startHubReader } from "./hub-reader.ts";

/** The shards of all other members: read from copies on disk, then followed in every hub. */
export interface ShardFollower {
  readonly members: () => readonly MemberName[];
  readonly shard: ShardSet["get"];
  readonly status: () => ReturnType<ShardSet["status"]>;
  readonly findings: ShardSet["findings"];
  readonly setCharter: (charter: Charter) => void;
  /** Notices leases that ran out or came back. */
  readonly tick: () => void;
  /** Takes copies from disk. */
  readonly load: () => Promise<void>;
  /** Reads every hub from now on, until the signal. */
  readonly start: () => void;
  /** In the order of the stores; none before the start. */
  readonly readers: () => readonly HubReader[];
  /** Members neither loaded nor known to be absent from every readable hub. */
  readonly missing: () => readonly MemberName[];
  /** Resolves after the signal. */
  readonly ended: () => Promise<void>;
}

export function createShardFollower(options: {
  readonly member: MemberName;
  /** As it is now; `setCharter` takes later ones. */
  readonly charter: Charter;
  /** Of the newest charter that is known, whether set here yet or not. */
  readonly charterNumber: () => number;
  readonly stores: readonly CatalogStore[];
  readonly verify: VerifySignature;
  readonly checkClaim: CheckClaim;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  readonly timeoutMs: number;
  readonly pollMs: number;
  readonly snapshots?: SnapshotStore;
  readonly signal: AbortSignal;
  readonly onEvent: (event: CatalogEvent) => void;
  /** What is held of this member is not what it was, or is gone. */
  readonly onTouched: (member: MemberName) => void;
}): ShardFollower {
  const { clock, log, snapshots, onTouched } = options;
  const now = (): Instant => instantOf(clock);
  const shards = createShardSet({
    ...options,
    self: options.member,
    onEvent: (event) => {
      if (event.t === "gone") onTouched(event.member);
      try {
        options.onEvent(event);
      } catch (thrown) {
        // A listener's fault is no fault of the hub that the event came from.
        log.error({ reason: reasonOf(thrown) }, "Catalog listener failed");
      }
    },
  });
  let readers: readonly HubReader[] = [];

  return {
    members: shards.members,
    shard: shards.get,
    status: () => shards.status(now()),
    findings: shards.findings,
    setCharter: (charter) => shards.setCharter(charter, now()),
    tick: () => shards.tick(now()),
    load: async () => {
      if (snapshots === undefined) return;
      await Promise.all(
        shards.members().map(async (member) => {
          const snapshot = await snapshots.load(member);
          if (snapshot !== undefined) shards.take(member, { t: "disk", snapshot }, now());
        }),
      );
    },
    start: () => {
      readers = options.stores.map((store) =>
        startHubReader({
          ...options,
          store,
          members: shards.members,
          take: (member, input) => {
            const outcome = shards.take(member, input, now());
            if (outcome.change !== undefined) onTouched(member);
            return outcome;
          },
          verifiedHead: (member) => shards.get(member)?.verifiedHead(),
          positionOf: (member) => shards.get(member)?.status().position,
          onCharters: (charters) => options.onEvent({ t: "charters", charters }),
        }),
      );
    },
    readers: () => readers,
    missing: () => {
      const readable = readers.filter((one) => one.isReadable());
      return shards.members().filter((member) => {
        if (shards.get(member)?.status().position !== undefined) return false;
        return readable.length === 0 || !readable.every((one) => one.isAbsent(member));
      });
    },
    ended: async () => {
      await Promise.all(readers.map((one) => one.done));
    },
  };
}
