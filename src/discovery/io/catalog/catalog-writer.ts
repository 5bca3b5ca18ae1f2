import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import type { MemberName, MeshDomain } from "../../../mesh/ids.ts";
import type { Clock, Log, Sign, VerifySignature } from "../../../mesh/ports.ts";
import { claimantOf, nextEpoch } from "../../publish/epoch.ts";
import type { HubCourse, HubState } from "../../publish/hub-status.ts";
import type { OwnShard } from "../../publish/own-shard.ts";
import type { Head, ShardOwner } from "../../shards/head.ts";
import { createHeadSigner, isFarAhead, positionOf, verifyHead } from "../../shards/head.ts";
import type { ShardCopy } from "../../shards/snapshot-store.ts";
import type { CatalogStore, HeldHead, RawRecords, SignedHead } from "../../shards/store.ts";
import type { Timers } from "../../timers.ts";
import type { HubWriter, ShardTarget } from "./hub-writer.ts";
import { createHubWriter } from "./hub-writer.ts";
import { createNameWatch } from "./name-watch.ts";
import { auditHub } from "./shard-audit.ts";
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
  /** That is as it should be: both are replicas. */
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
  /** The shard anew, on what the name's last writer published; asked for before it is taken over. */
  readonly rebase: () => Promise<OwnShard>;
  /** Content changed; the copy is taken when it is asked for. */
  readonly onPublished: (copy: () => ShardCopy | undefined) => void;
}

/** Three renewals fit into a lease: one may be lost and one late. */
const renewalsPerLease = 3.3;
const retryMs = 1000;
/**
 * How often the records in each hub are compared with their head, which costs reading them: with every
 * renewal a shard of some 100 kB, a large one once in a minute by default.
 */
const audit = { recordsPerRenewal: 400, maxRenewals: 20 } as const;

/** Why a claim ends without the name: another replica has it. */
const standby = new Error("another replica holds the name");

export function createCatalogWriter(options: WriterOptions): CatalogWriter {
  const { member, clock, log, timers } = options;
  const renewMs = options.leaseMs / renewalsPerLease;
  const closing = new AbortController();
  const signHead = createHeadSigner(options.sign);
  let epoch = options.epoch;
  let seq = 0;
  let beat = 0;
  let target: ShardTarget | undefined;
  let shard: OwnShard | undefined;
  // An epoch under the own name that this writer's must exceed.
  let epochAbove: number | undefined;
  let hasLooked = false;
  let isStale = true;
  let beatDueMs = 0;
  let auditDueMs = clock.monotonicMs() + renewMs;
  // When the epoch was chosen or some hub took a write of it.
  let heardAtMs = clock.monotonicMs();
  let junkAtMs = Number.NEGATIVE_INFINITY;
  let fencedBy: ShardOwner | undefined;
  let cancelTimer = (): void => {};
  let working = Promise.resolve();
  let isWorking = false;
  let isKicked = false;

  const judge = (held: HeldHead): "overwrite" | "leave" => {
    const judged = judgeHead(held.head);
    if (judged === undefined) return judgeJunk();
    const { head, isExpired } = judged;
    const claimant = claimantOf(head, {
      epoch,
      seq,
      instance: options.owner.instance,
      hasLooked,
    });
    switch (claimant.t) {
      case "older":
        return "overwrite";
      case "own-newer":
        // The next step raises the epoch and brings every hub in step again.
        askForEpochAbove(head.epoch);
        return "leave";
      case "other":
        // Who lives has a valid certificate: with a key of long ago anybody may have signed this.
        if (isExpired) askForEpochAbove(head.epoch);
        else fence(claimant.owner);
        return "leave";
    }
  };
  /** Not the word of this member; but it may cover that of another instance which readers know. */
  const judgeJunk = (): "overwrite" | "leave" => {
    const nowMs = clock.monotonicMs();
    // Whoever writes junk without end must not make us sign without end.
    if (nowMs - junkAtMs < options.leaseMs) return "overwrite";
    junkAtMs = nowMs;
    askForEpochAbove(epoch);
    return "leave";
  };
  const judgeHead = (signed: SignedHead): { head: Head; isExpired: boolean } | undefined => {
    const { mesh, verify } = options;
    const nowMs = clock.nowMs();
    const verdict = verifyHead(signed, { mesh, member, verify, nowMs, allowExpired: true });
    if (verdict.t !== "ok") return undefined;
    // No reader follows it there, and to rise above it would leave all readers behind for good.
    return isFarAhead(verdict.head, nowMs) ? undefined : verdict;
  };
  const judgeLife = (signed: SignedHead): Head | undefined => {
    const judged = judgeHead(signed);
    return judged === undefined || judged.isExpired ? undefined : judged.head;
  };
  const onStored = (): void => {
    const nowMs = clock.monotonicMs();
    // Unheard for a lease: another instance may have held the name meanwhile, and readers may know its
    // epoch though no hub does any more.
    if (nowMs - heardAtMs >= options.leaseMs) askForEpochAbove(epoch);
    heardAtMs = nowMs;
  };
  const limits = { ms: options.timeoutMs, timers, signal: closing.signal };
  const watch = createNameWatch({
    ...options,
    ...limits,
    judgeHead: judgeLife,
    pollMs: Math.min(500, renewMs),
  });
  const hubs: readonly HubWriter[] = options.stores.map((store) =>
    createHubWriter({
      store,
      clock,
      timers,
      timeoutMs: options.timeoutMs,
      signal: closing.signal,
      log,
      member,
      // Between a change and its signature content and head do not fit; the signed change follows.
      target: () => (isStale ? undefined : target),
      judge,
      onStored,
    }),
  );

  const askForEpochAbove = (seen: number): void => {
    epochAbove = Math.max(seen, epochAbove ?? 0);
    kick();
  };
  const raiseEpoch = async (above: number): Promise<void> => {
    const next = nextEpoch({ seen: [above, epoch], nowMs: clock.nowMs() });
    // On disk before the first use: an epoch that was used and forgotten could be used twice.
    await options.saveEpoch(next);
    epoch = next;
    seq = 0;
    beat = 0;
    epochAbove = undefined;
    heardAtMs = clock.monotonicMs();
    isStale = true;
  };
  const isSharedWith = (owner: ShardOwner): boolean =>
    options.owner.isReplica === true && owner.isReplica === true;
  const fence = (owner: ShardOwner): void => {
    if (fencedBy?.instance === owner.instance) return;
    fencedBy = owner;
    if (isSharedWith(owner)) log.info({ member, owner }, "Another replica writes, this one waits");
    else log.error({ member, owner }, "Another instance took over this member's name");
    watchHolder().catch((cause: unknown) => {
      if (closing.signal.aborted) return;
      log.error({ member, reason: reasonOf(cause) }, "Cannot watch who holds a name");
    });
  };

  const headOf = ({ content }: OwnShard): Head => ({
    mesh: options.mesh,
    member,
    epoch,
    seq,
    beat,
    leaseMs: options.leaseMs,
    buckets: content.count(),
    digest: content.digest(),
    timeMs: Math.floor(clock.nowMs()),
    owner: options.owner,
  });
  /** Signs the present content as the next seq. */
  const signContent = (own: OwnShard): Promise<ShardTarget> => {
    seq += 1;
    return signBeat(own);
  };
  const signBeat = async (own: OwnShard): Promise<ShardTarget> => {
    beat += 1;
    // Heads that fail to be signed leave numbers out; readers of a log then read the snapshot.
    const head = headOf(own);
    const signed = await signHead(head);
    const records = (): RawRecords => new Map(own.content.entries());
    target = { position: positionOf(head), head: signed, records };
    beatDueMs = clock.monotonicMs() + renewMs;
    return target;
  };

  const step = async (own: OwnShard): Promise<void> => {
    if (epochAbove !== undefined) await raiseEpoch(epochAbove);
    const batch = own.takeBatch(clock.monotonicMs());
    if (batch === undefined && !isStale && clock.monotonicMs() < beatDueMs) return;
    const wasStale = isStale;
    // Until it is signed, the content is ahead of every head that exists.
    if (batch !== undefined) isStale = true;
    const isContentNew = wasStale || batch !== undefined;
    const signed = isContentNew ? await signContent(own) : await signBeat(own);
    isStale = false;
    if (isContentNew) options.onPublished(copyNow);
    if (wasStale) for (const hub of hubs) hub.resync();
    else {
      const { position, head } = signed;
      const { changed, removed } = batch ?? { changed: new Map(), removed: [] };
      const t = batch === undefined ? "beat" : "delta";
      for (const hub of hubs) hub.push({ t, member, position, changed, removed, head });
    }
    if (clock.monotonicMs() >= auditDueMs) auditAll(own.content.size());
  };

  const copyNow = (): ShardCopy | undefined =>
    target === undefined || isStale ? undefined : { head: target.head, records: target.records() };

  const auditAll = (records: number): void => {
    auditDueMs = clock.monotonicMs() + renewMs * renewalsPerAudit(records);
    for (const [index, store] of options.stores.entries()) {
      const isFine = auditHub(store, { member, ...limits });
      isFine.then(
        (fine) => {
          if (!fine) hubs[index]?.resync();
        },
        (cause: unknown) => log.debug({ hub: store.name, reason: reasonOf(cause) }, "Cannot audit"),
      );
    }
  };

  const work = async (own: OwnShard): Promise<void> => {
    let waitMs = 0;
    isWorking = true;
    do {
      isKicked = false;
      try {
        await step(own);
        waitMs = Math.min(beatDueMs, own.nextDueMs() ?? beatDueMs) - clock.monotonicMs();
      } catch (cause) {
        isStale = true;
        waitMs = retryMs;
        log.error({ member, reason: reasonOf(cause) }, "Cannot publish the shard");
      }
    } while (isKicked && fencedBy === undefined);
    isWorking = false;
    if (closing.signal.aborted || fencedBy !== undefined) return;
    cancelTimer();
    cancelTimer = timers.after(Math.max(0, waitMs), kick);
  };
  const kick = (): void => {
    isKicked = true;
    if (shard === undefined || fencedBy !== undefined) return;
    if (closing.signal.aborted || isWorking) return;
    cancelTimer();
    working = work(shard);
  };

  const watchHolder = async (): Promise<void> => {
    const silence = await watch.silence(closing.signal, {
      onLife: (owner) => {
        fencedBy = owner;
      },
      mustSee: true,
      quorum: fencedBy !== undefined && isSharedWith(fencedBy) ? "most" : "every",
    });
    if (shard !== undefined) shard = await options.rebase();
    fencedBy = undefined;
    hasLooked = true;
    log.warn({ member }, "Takes this member's name from an instance that fell silent");
    askForEpochAbove(silence.newest);
  };

  return {
    claim: async (signal) => {
      const onLife = (owner: ShardOwner): never => {
        if (!isSharedWith(owner)) throw nameTaken(member, owner);
        fence(owner);
        throw standby;
      };
      // With every hub down a lone agent goes on with what it has.
      const quorum = options.owner.isReplica === true ? "most" : "every";
      try {
        const silence = await watch.silence(signal, { onLife, mustSee: false, quorum });
        epochAbove = silence.newest;
        ({ hasLooked } = silence);
      } catch (thrown) {
        if (thrown !== standby) throw thrown;
      }
    },
    begin: (own) => {
      shard = own;
    },
    kick,
    status: () => ({
      instance: options.owner.instance,
      epoch,
      seq,
      beat,
      hubs: hubs.map((hub) => hub.status()),
      ...(fencedBy === undefined ? {} : { fencedBy }),
      isStandby: fencedBy !== undefined && isSharedWith(fencedBy),
    }),
    close: async () => {
      cancelTimer();
      await working;
      await Promise.race([
        Promise.all(hubs.map((hub) => hub.settled())),
        pause(options.timeoutMs, { timers, signal: new AbortController().signal }),
      ]);
      closing.abort(
        new MeshError("MESH_CATALOG_UNAVAILABLE", "Cannot go on: the agent is closing"),
      );
    },
  };
}

function nameTaken(member: MemberName, { instance, host, isReplica }: ShardOwner): MeshError {
  const how = isReplica === true ? "; it shares it with replicas only (catalog.replicas)" : "";
  return new MeshError(
    "MESH_CATALOG_NAME_TAKEN",
    `Cannot publish as "${member}": instance ${instance} on ${host} holds that name${how}`,
  );
}

function renewalsPerAudit(records: number): number {
  const { recordsPerRenewal, maxRenewals } = audit;
  return Math.max(1, Math.min(maxRenewals, Math.ceil(records / recordsPerRenewal)));
}
