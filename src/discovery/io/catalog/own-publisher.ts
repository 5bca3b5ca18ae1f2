import { hostname } from "node:os";
import type { MemberName, MeshDomain, ServiceId } from "../../../mesh/ids.ts";
import type { Clock, Log, Sign, VerifySignature } from "../../../mesh/ports.ts";
import type { LocalService } from "../../../mesh/service.ts";
import type { Contender, Election } from "../../publish/election.ts";
import type { ExportOptions } from "../../publish/export-records.ts";
import type { OwnShard } from "../../publish/own-shard.ts";
import { createOwnShard } from "../../publish/own-shard.ts";
import { memberKey } from "../../shards/record-key.ts";
import type { MemberRecord } from "../../shards/records.ts";
import { parseRecord, schemas } from "../../shards/records.ts";
import type { ShardCopy, SnapshotStore } from "../../shards/snapshot-store.ts";
import type { CatalogStore, RawRecords } from "../../shards/store.ts";
import type { SourceChange } from "../../source.ts";
import type { Timers } from "../../timers.ts";
import type { CatalogWriter, WriterStatus } from "./catalog-writer.ts";
import { createCatalogWriter } from "./catalog-writer.ts";
import { readOwnBase } from "./own-base.ts";
import type { OpenWriterMemory } from "./writer-memory.ts";

/** What a member says of itself besides its version. */
export type OwnWords = Pick<MemberRecord, "bundleDigest" | "drained" | "leaving" | "rotation"> & {
  /** Undefined: not known yet, and what was published last stays. */
  readonly gateways: MemberRecord["gateways"] | undefined;
};

/** Exports withdrawn by too many at once, which are still published. */
export interface HeldWithdrawals {
  readonly services: readonly ServiceId[];
  /** When (monotonic) the first goes by itself; undefined: none is held. */
  readonly releaseAtMs: number | undefined;
}

/** What this member says: its services and its own record, from its sources to its writer. */
export interface OwnPublisher {
  /** Claims the member's name, and publishes once all services are known. Throws as the claim does. */
  readonly start: (memory: OpenWriterMemory, signal: AbortSignal) => Promise<void>;
  readonly publishAll: (services: readonly LocalService[]) => void;
  readonly publish: (change: SourceChange) => void;
  readonly publishMember: (own: OwnWords) => void;
  /** What is exported may be another now, as the charter changed. */
  readonly restage: () => void;
  readonly confirmWithdrawals: () => void;
  readonly held: () => HeldWithdrawals;
  /** Undefined before the start. */
  readonly status: () => WriterStatus | undefined;
  readonly close: () => Promise<void>;
}

export function createOwnPublisher(options: {
  readonly mesh: MeshDomain;
  readonly member: MemberName;
  readonly stores: readonly CatalogStore[];
  readonly sign: Sign;
  readonly verify: VerifySignature;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly software: string;
  readonly leaseMs: number;
  readonly timeoutMs: number;
  readonly isReplica?: boolean;
  /** Makes this agent contend for writing; absent: the hubs decide. */
  readonly elect?: (self: Contender) => Election;
  readonly snapshots?: SnapshotStore;
  readonly signal: AbortSignal;
  readonly exportOptions: () => ExportOptions;
  /** Content changed; the copy is taken when it is asked for. */
  readonly onPublished: (copy: () => ShardCopy | undefined) => void;
}): OwnPublisher {
  const { clock, software, exportOptions } = options;
  const locals = new Map<ServiceId, LocalService>();
  let isSynced = false;
  let words: OwnWords = { gateways: undefined };
  let lastGateways: MemberRecord["gateways"] = [];
  let shard: OwnShard | undefined;
  let writer: CatalogWriter | undefined;

  const memberRecord = (): MemberRecord => {
    const { gateways = lastGateways, ...rest } = words;
    return { t: "member", software, schemas, gateways, ...rest };
  };
  const take = (base: RawRecords): OwnShard => {
    lastGateways = gatewaysIn(base);
    return createOwnShard({ exportOptions, base });
  };
  const restage = (): void => {
    if (shard === undefined || !isSynced) return;
    const atMs = clock.monotonicMs();
    shard.stageMember(memberRecord(), atMs);
    shard.stageAll([...locals.values()], atMs);
    writer?.kick();
  };
  const rebase = async (): Promise<OwnShard> => {
    const rebased = take(await readOwnBase(options));
    shard = rebased;
    restage();
    return rebased;
  };

  return {
    start: async (memory, signal) => {
      const { instance, epoch, saveEpoch } = memory;
      const self = { instance, host: hostname() };
      const election = options.elect?.(self);
      const isHubReplica = options.isReplica === true && election === undefined;
      const own = createCatalogWriter({
        ...options,
        owner: isHubReplica ? { ...self, isReplica: true } : self,
        ...(election === undefined ? {} : { election }),
        epoch,
        saveEpoch,
        rebase,
      });
      writer = own;
      const [base] = await Promise.all([readOwnBase(options), own.claim(signal)]);
      shard = take(base);
      own.begin(shard);
      restage();
    },
    publishAll: (services) => {
      locals.clear();
      for (const service of services) locals.set(service.id, service);
      isSynced = true;
      restage();
    },
    publish: (change) => {
      for (const service of change.upserts) locals.set(service.id, service);
      for (const id of change.removed) locals.delete(id);
      if (!isSynced || shard === undefined) return;
      shard.stage(change, clock.monotonicMs());
      writer?.kick();
    },
    publishMember: (own) => {
      words = own;
      if (!isSynced || shard === undefined) return;
      shard.stageMember(memberRecord(), clock.monotonicMs());
      writer?.kick();
    },
    restage,
    confirmWithdrawals: () => {
      shard?.confirmWithdrawals(clock.monotonicMs());
      writer?.kick();
    },
    held: () => ({ services: shard?.held() ?? [], releaseAtMs: shard?.heldUntilMs() }),
    status: () => writer?.status(),
    close: async () => writer?.close(),
  };
}

/** Whoever served there when an earlier life said so: its drains ended with it. */
function gatewaysIn(base: RawRecords): MemberRecord["gateways"] {
  const bytes = base.get(memberKey);
  const parsed = bytes === undefined ? undefined : parseRecord(memberKey, bytes);
  if (parsed?.t !== "ok" || parsed.record.t !== "member") return [];
  return parsed.record.gateways.map(({ draining: _draining, ...gateway }) => gateway);
}
