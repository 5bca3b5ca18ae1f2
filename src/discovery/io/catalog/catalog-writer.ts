import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import type { MemberName, MeshDomain } from "../../../mesh/ids.ts";
import type { Clock, Log, Sign, VerifySignature } from "../../../mesh/ports.ts";
import { instantOf } from "../../instant.ts";
import type { Election } from "../../publish/election.ts";
import { createFoundHeads } from "../../publish/found-heads.ts";
import type { HubCourse, HubState } from "../../publish/hub-status.ts";
import type { Batch, OwnShard } from "../../publish/own-shard.ts";
import type { ShardOwner } from "../../shards/head.ts";
import type { ShardCopy } from "../../shards/snapshot-store.ts";
import type { CatalogStore } from "../../shards/store.ts";
import type { Timers } from "../../timers.ts";
import type { HubWriter, ShardTarget } from "./hub-writer.ts";
import { createHubWriter } from "./hub-writer.ts";
import { createLeasedName } from "./leased-name.ts";
import { createOwnHeads } from "./own-heads.ts";
import { createOwnName, type OwnNameOptions } from "./own-name.ts";
import { createShardAudit } from "./shard-audit.ts";
import { pause } from "./waiting.ts";

/** Publishes this member's shard to every hub and renews its lease. */
export interface CatalogWriter {
  /**
   * Claims the member's name; waits up to a lease to see whether another instance that lives holds it.
   * If one does, a replica waits for its turn when that one is a replica too; anybody else throws
   * MESH_CATALOG_NAME_TAKEN.
   */
  readonly claim: (signal: AbortSignal) => Promise<void>;
  /** After the claim: publishes this shard from the next kick on. */
  readonly begin: (shard: OwnShard) => void;
  /** The shard has something new, or may be published for the first time. */
  readonly kick: () => void;
  readonly status: () => WriterStatus;
  /** Sends what waits and stops; gives up on hubs that do not answer. */
  readonly close: () => Promise<void>;
}

export interface WriterStatus {
  /** Of this agent. */
  readonly instance: string;
  readonly epoch: number;
  readonly seq: number;
  readonly beat: number;
  /** In the order of the stores. */
  readonly hubs: readonly HubCourse<HubState>[];
  /** Another instance holds the name; this one is silent until that one is. */
  readonly fencedBy?: ShardOwner;
  /** It is silent, and that is as it should be: a replica writes, or will. */
  readonly isStandby: boolean;
}

export interface WriterOptions {
  readonly mesh: MeshDomain;
  readonly member: MemberName;
  readonly owner: ShardOwner;
  readonly stores: readonly CatalogStore[];
  readonly sign: Sign;
  readonly verify: VerifySignature;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly leaseMs: number;
  readonly timeoutMs: number;
  /** Highest epoch that this instance remembers. */
  readonly epoch: number;
  readonly saveEpoch: (epoch: number) => Promise<void>;
  /** Decides who of this member's agents writes; absent: the hubs do. */
  readonly election?: Election;
  /** The shard anew, on what the name's last writer published; asked for before it is taken over. */
  readonly rebase: () => Promise<OwnShard>;
  /** Content changed; the copy is taken when it is asked for. */
  readonly onPublished: (copy: () => ShardCopy | undefined) => void;
}

/** Three renewals fit into a lease: one may be lost and one late. */
const renewalsPerLease = 3.3;
/** How long at most a sign of another instance's life goes unseen, in ms. */
const maxNamePollMs = 500;
const retryMs = 1000;

export function createCatalogWriter(options: WriterOptions): CatalogWriter {
  const { member, stores, clock, log, timers, timeoutMs, election } = options;
  const owner = (): ShardOwner => {
    const lease = election?.id();
    return lease === undefined ? options.owner : { ...options.owner, lease };
  };
  const renewMs = options.leaseMs / renewalsPerLease;
  const closing = new AbortController();
  const limits = { ms: timeoutMs, timers, signal: closing.signal };
  let shard: OwnShard | undefined;
  let cancelTimer = (): void => {};
  let working = Promise.resolve();
  let isWorking = false;
  let isKicked = false;

  const heads = createOwnHeads({
    ...options,
    owner,
    renewMs,
    saveEpoch: async (epoch) => {
      const [, isRecorded = true] = await Promise.all([
        options.saveEpoch(epoch),
        election?.recordEpoch(epoch),
      ]);
      // The wall clock and the hubs still keep epochs apart.
      if (!isRecorded) log.warn({ member }, "Cannot record an epoch in the lease");
    },
    onAsked: () => kick(),
  });
  const found = createFoundHeads({
    ...options,
    own: () => ({
      ...heads.numbers(),
      instance: options.owner.instance,
      hasLooked: name.hasLooked(),
    }),
    onEpoch: heads.askAbove,
    onHolder: (holder) => name.yieldTo(holder),
  });
  const nameOptions: OwnNameOptions = {
    ...options,
    ...limits,
    pollMs: Math.min(maxNamePollMs, renewMs),
    judgeHead: (signed) => found.lifeIn(signed, clock.nowMs()),
    prepare: async () => {
      if (shard !== undefined) shard = await options.rebase();
    },
    onTaken: heads.askAbove,
  };
  const name =
    election === undefined
      ? createOwnName(nameOptions)
      : createLeasedName({ ...nameOptions, election });
  const hubs: readonly HubWriter[] = stores.map((store) =>
    createHubWriter({
      ...options,
      signal: closing.signal,
      store,
      target: heads.target,
      judge: (held) => found.judge(held, instantOf(clock)),
      onStored: heads.stored,
    }),
  );
  const audit = createShardAudit({
    ...options,
    ...limits,
    renewMs,
    onSpoilt: (index) => hubs[index]?.resync(),
  });

  /** Signs what is due and hands it to the hubs. */
  const step = async (own: OwnShard): Promise<void> => {
    if (heads.isRiseAsked()) await heads.rise();
    const batch = own.takeBatch(clock.monotonicMs());
    const isInStep = heads.target() !== undefined;
    if (batch === undefined && isInStep && clock.monotonicMs() < heads.beatDueMs()) return;
    if (batch !== undefined) heads.outdate();
    const isContentNew = batch !== undefined || !isInStep;
    const signed = await heads.sign(own.content, isContentNew ? "content" : "beat");
    if (isContentNew) options.onPublished(copyNow);
    if (isInStep) send(signed, batch);
    else for (const hub of hubs) hub.resync();
    audit.look(own.content.size());
  };
  const send = ({ position, head }: ShardTarget, batch: Batch | undefined): void => {
    const { changed, removed } = batch ?? { changed: new Map(), removed: [] };
    const t = batch === undefined ? "beat" : "delta";
    for (const hub of hubs) hub.push({ t, member, position, changed, removed, head });
  };
  const copyNow = (): ShardCopy | undefined => {
    const target = heads.target();
    return target && { head: target.head, records: target.records() };
  };

  const isSilent = name.isSilent;
  const work = async (own: OwnShard): Promise<void> => {
    let waitMs = 0;
    isWorking = true;
    do {
      isKicked = false;
      try {
        await step(own);
        const beatDueMs = heads.beatDueMs();
        waitMs = Math.min(beatDueMs, own.nextDueMs() ?? beatDueMs) - clock.monotonicMs();
      } catch (cause) {
        heads.outdate();
        waitMs = retryMs;
        log.error({ member, reason: reasonOf(cause) }, "Cannot publish the shard");
      }
    } while (isKicked && !isSilent());
    isWorking = false;
    if (closing.signal.aborted || isSilent()) return;
    cancelTimer();
    cancelTimer = timers.after(Math.max(0, waitMs), kick);
  };
  const kick = (): void => {
    isKicked = true;
    if (shard === undefined || isSilent()) return;
    if (closing.signal.aborted || isWorking) return;
    cancelTimer();
    working = work(shard);
  };

  return {
    claim: name.claim,
    begin: (own) => {
      shard = own;
    },
    kick,
    status: () => {
      const fencedBy = name.holder();
      return {
        instance: options.owner.instance,
        ...heads.numbers(),
        hubs: hubs.map((hub) => hub.status()),
        ...(fencedBy === undefined ? {} : { fencedBy }),
        isStandby: name.isStandby(),
      };
    },
    close: async () => {
      cancelTimer();
      await working;
      await Promise.race([
        Promise.all(hubs.map((hub) => hub.settled())),
        pause(timeoutMs, { timers, signal: new AbortController().signal }),
      ]);
      closing.abort(
        new MeshError("MESH_CATALOG_UNAVAILABLE", "Cannot go on: the agent is closing"),
      );
    },
  };
}
