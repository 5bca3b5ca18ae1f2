import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Charter, SignedCharter } from "../../../mesh/charter.ts";
import { charterMember } from "../../../mesh/charter.ts";
import type { CheckClaim } from "../../../mesh/claim.ts";
import { reasonOf } from "../../../mesh/errors.ts";
import type { MemberName, ServiceId } from "../../../mesh/ids.ts";
import { trustDomainOf } from "../../../mesh/ids.ts";
import type { Clock, Log, Random, Sign, VerifySignature } from "../../../mesh/ports.ts";
import type { Finding, LocalService } from "../../../mesh/service.ts";
import type { CatalogEvent } from "../../follow/catalog-event.ts";
import type { ShardContent } from "../../follow/shard-content.ts";
import type { MemberStatus } from "../../follow/shard-set.ts";
import { createShardSet } from "../../follow/shard-set.ts";
import type { Instant } from "../../instant.ts";
import type { ExportOptions } from "../../publish/export-records.ts";
import type { HubStatus } from "../../publish/hub-status.ts";
import { hubStatusOf } from "../../publish/hub-status.ts";
import { ownFindings } from "../../publish/own-findings.ts";
import type { OwnShard } from "../../publish/own-shard.ts";
import { createOwnShard } from "../../publish/own-shard.ts";
import type { MemberRecord } from "../../shards/records.ts";
import { schemas } from "../../shards/records.ts";
import type { SnapshotStore } from "../../shards/snapshot-store.ts";
import type { CatalogStore, RawRecords } from "../../shards/store.ts";
import type { SourceChange } from "../../source.ts";
import type { Timers } from "../../timers.ts";
import type { CatalogWriter, WriterStatus } from "./catalog-writer.ts";
import { createCatalogWriter } from "./catalog-writer.ts";
import type { CharterSender } from "./charter-sender.ts";
import { startCharterSender } from "./charter-sender.ts";
import { createCopySaver } from "./copy-saver.ts";
import type { HubReader } from "./hub-reader.ts";
import { startHubReader } from "./hub-reader.ts";
import { readOwnBase } from "./own-base.ts";

export interface CatalogOptions {
  readonly member: MemberName;
  /** The newest charter that this agent knows, verified. */
  readonly charter: Charter;
  /** The same as it was signed, to be stated in the hubs. */
  readonly signedCharter: SignedCharter;
  /** All hubs; each alone can carry the mesh. The catalog closes them. */
  readonly stores: readonly CatalogStore[];
  /** With this member's `/isthmus/catalog` identity. */
  readonly sign: Sign;
  readonly verify: VerifySignature;
  readonly checkClaim: CheckClaim;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  /** Version of this program. */
  readonly software: string;
  readonly leaseMs?: number;
  /** Deadline of each call to a hub. */
  readonly timeoutMs?: number;
  /** One of several agents of this member: one of them publishes, the others stand by. */
  readonly isReplica?: boolean;
  /** Absent: nothing survives a restart. */
  readonly snapshots?: SnapshotStore;
  readonly onEvent: (event: CatalogEvent) => void;
}

/** The federated catalog as one agent uses it: publishes the own shard, follows all others. */
export interface Catalog extends AsyncDisposable {
  /**
   * Loads copies from disk, starts to read, and claims this member's name. Throws
   * MESH_CATALOG_NAME_TAKEN when another living instance holds it that is not a replica of this one.
   */
  readonly start: (signal: AbortSignal) => Promise<void>;
  /** All services of this member, when its sources are synced; nothing is published before. */
  readonly publishAll: (services: readonly LocalService[]) => void;
  /** What changed since. */
  readonly publish: (change: SourceChange) => void;
  readonly publishMember: (own: OwnWords) => void;
  /** Lets held withdrawals go: an operator says that they are meant. */
  readonly confirmWithdrawals: () => void;
  /** What those are, and when (monotonic) the first goes by itself; undefined: none. */
  readonly held: () => {
    readonly services: readonly ServiceId[];
    readonly releaseAtMs: number | undefined;
  };
  readonly setCharter: (charter: Charter, signed: SignedCharter) => void;
  readonly shard: (member: MemberName) => ShardContent | undefined;
  /** Members of the charter that are not denied, without the own one. */
  readonly members: () => readonly MemberName[];
  readonly memberStatus: () => readonly MemberStatus[];
  readonly writerStatus: () => WriterStatus | undefined;
  readonly hubs: () => readonly HubStatus[];
  /** Members neither loaded nor known to be absent from every readable hub. */
  readonly missing: () => readonly MemberName[];
  /** Whether streams may be taken, as far as the catalog goes. Source: docs/decisions/silence-removes-nothing.md */
  readonly isWarm: () => boolean;
  readonly findings: () => readonly Finding[];
}

const defaults = {
  // Three renewals of 3 s.
  leaseMs: 10_000,
  // Longer than a slow hub takes; a hung one that is back is noticed within twice that.
  timeoutMs: 2500,
};
/** After this the agent serves what it has. */
const warmAfterMs = 30_000;
/** How late a lost lease may be noticed. */
const leaseTickMs = 500;
const pollsPerLease = 3.3;

/** Nothing is read or published before `start`. */
export function createCatalog(options: CatalogOptions): Catalog {
  const { member: self, clock, timers, log, snapshots, random } = options;
  const { mesh } = options.charter;
  const leaseMs = options.leaseMs ?? defaults.leaseMs;
  const timeoutMs = options.timeoutMs ?? defaults.timeoutMs;
  const pollMs = leaseMs / pollsPerLease;
  const closing = new AbortController();
  const { signal } = closing;
  const now = (): Instant => ({ nowMs: clock.nowMs(), monotonicMs: clock.monotonicMs() });
  const locals = new Map<ServiceId, LocalService>();
  const shards = createShardSet({
    ...options,
    self,
    onEvent: (event) => {
      if (event.t === "gone") saver.touch(event.member);
      try {
        options.onEvent(event);
      } catch (thrown) {
        // A listener's fault is no fault of the hub that the event came from.
        log.error({ reason: reasonOf(thrown) }, "Catalog listener failed");
      }
    },
  });
  const saver = createCopySaver({
    snapshots,
    timers,
    log,
    copyOf: (one) => shards.get(one)?.copy(),
  });
  let charter = options.charter;
  let startedAtMs = Number.POSITIVE_INFINITY;
  let isSynced = false;
  let memberRecord: MemberRecord = memberRecordOf(options.software, { gateways: [] });
  let readers: readonly HubReader[] = [];
  let charters: CharterSender | undefined;
  let signedCharter = options.signedCharter;
  let shard: OwnShard | undefined;
  let writer: CatalogWriter | undefined;
  let cancelTick = (): void => {};

  const exportOptions = (): ExportOptions => ({
    trustDomain: trustDomainOf(self, mesh),
    isNetworkShared: isNetworkShared(charter, self),
  });
  const stageAll = (): void => {
    if (shard === undefined || !isSynced) return;
    const atMs = clock.monotonicMs();
    shard.stageMember(memberRecord, atMs);
    shard.stageAll([...locals.values()], atMs);
    writer?.kick();
  };
  const startReading = (): void => {
    readers = options.stores.map((store) =>
      startHubReader({
        store,
        clock,
        timers,
        random,
        signal,
        log,
        timeoutMs,
        pollMs,
        members: shards.members,
        take: (member, input) => {
          const outcome = shards.take(member, input, now());
          if (outcome.change !== undefined) saver.touch(member);
          return outcome;
        },
        verifiedHead: (member) => shards.get(member)?.verifiedHead(),
        positionOf: (member) => shards.get(member)?.status().position,
        charterNumber: () => charter.number,
        onCharters: (found) => options.onEvent({ t: "charters", charters: found }),
      }),
    );
  };
  const loadCopies = async (): Promise<void> => {
    if (snapshots === undefined) return;
    await Promise.all(
      shards.members().map(async (member) => {
        const snapshot = await snapshots.load(member);
        if (snapshot !== undefined) shards.take(member, { t: "disk", snapshot }, now());
      }),
    );
  };
  const readBase = (): Promise<RawRecords> => readOwnBase({ ...options, mesh, timeoutMs, signal });
  const hubs = (): readonly HubStatus[] => {
    const { hubs: written = [], isStandby = false } = writer?.status() ?? {};
    return readers.map((one, index) => {
      const reading = one.status();
      const writing = written[index] ?? { state: "behind", sinceMs: reading.sinceMs };
      const store = options.stores[index];
      const course = { reading, writing, isStandby, refusal: store?.refusal?.() };
      return hubStatusOf(one.name, { ...course, server: store?.server?.() });
    });
  };
  const tick = (): void => {
    shards.tick(now());
    cancelTick = timers.after(leaseTickMs, tick);
  };

  return {
    start: async (outer) => {
      startedAtMs = clock.monotonicMs();
      const memory = (await snapshots?.loadWriter()) ?? { instance: randomUUID(), epoch: 0 };
      const saveEpoch = async (epoch: number): Promise<void> => {
        try {
          await snapshots?.saveWriter({ instance: memory.instance, epoch });
        } catch (thrown) {
          // The wall clock still keeps epochs apart; a restart then waits for its own lease.
          log.warn({ reason: reasonOf(thrown) }, "Cannot remember an epoch");
        }
      };
      await saveEpoch(memory.epoch);
      await loadCopies();
      startReading();
      charters = startCharterSender({
        ...options,
        charter,
        signedCharter,
        pollMs,
        timeoutMs,
        signal,
      });
      tick();
      const own = createCatalogWriter({
        ...options,
        mesh,
        owner: {
          instance: memory.instance,
          host: hostname(),
          ...(options.isReplica === true ? { isReplica: true } : {}),
        },
        leaseMs,
        timeoutMs,
        epoch: memory.epoch,
        saveEpoch,
        rebase: async () => {
          const taken = createOwnShard({ exportOptions, base: await readBase() });
          shard = taken;
          stageAll();
          return taken;
        },
        onPublished: (copy) => saver.touchOwn(self, copy),
      });
      writer = own;
      const [base] = await Promise.all([readBase(), own.claim(outer)]);
      shard = createOwnShard({ exportOptions, base });
      own.begin(shard);
      stageAll();
    },
    publishAll: (services) => {
      locals.clear();
      for (const service of services) locals.set(service.id, service);
      isSynced = true;
      stageAll();
    },
    publish: (change) => {
      for (const service of change.upserts) locals.set(service.id, service);
      for (const id of change.removed) locals.delete(id);
      if (!isSynced || shard === undefined) return;
      shard.stage(change, clock.monotonicMs());
      writer?.kick();
    },
    publishMember: (own) => {
      memberRecord = memberRecordOf(options.software, own);
      if (!isSynced || shard === undefined) return;
      shard.stageMember(memberRecord, clock.monotonicMs());
      writer?.kick();
    },
    confirmWithdrawals: () => {
      shard?.confirmWithdrawals(clock.monotonicMs());
      writer?.kick();
    },
    held: () => ({ services: shard?.held() ?? [], releaseAtMs: shard?.heldUntilMs() }),
    setCharter: (next, signed) => {
      charter = next;
      shards.setCharter(next, now());
      signedCharter = signed;
      charters?.send({ member: self, number: next.number, charter: signed });
      stageAll();
    },
    shard: (member) => shards.get(member)?.content,
    members: shards.members,
    memberStatus: () => shards.status(now()),
    writerStatus: () => writer?.status(),
    hubs,
    missing,
    isWarm: () => missing().length === 0 || clock.monotonicMs() - startedAtMs >= warmAfterMs,
    findings: () => [
      ...shards.findings(),
      ...ownFindings(self, {
        held: shard?.held() ?? [],
        // That a replica waits is as it should be.
        fencedBy: writer?.status().isStandby === true ? undefined : writer?.status().fencedBy,
        hubs: hubs(),
      }),
    ],
    [Symbol.asyncDispose]: async () => {
      cancelTick();
      await writer?.close();
      closing.abort(new Error("the catalog is closing"));
      await Promise.all([...readers.map((one) => one.done), charters?.done]);
      await saver.close();
      await Promise.all(options.stores.map((store) => store[Symbol.asyncDispose]()));
    },
  };

  function missing(): readonly MemberName[] {
    const readable = readers.filter((one) => one.isReadable());
    return shards.members().filter((member) => {
      if (shards.get(member)?.status().position !== undefined) return false;
      return readable.length === 0 || !readable.every((one) => one.isAbsent(member));
    });
  }
}

/** What a member says of itself besides its version. */
export type OwnWords = Pick<MemberRecord, "gateways" | "bundleDigest" | "drained">;

function memberRecordOf(software: string, own: OwnWords): MemberRecord {
  return { t: "member", software, schemas, ...own };
}

function isNetworkShared(charter: Charter, self: MemberName): boolean {
  const network = charterMember(charter, self)?.network;
  return charter.members.some(
    (one) => one.name !== self && one.state !== "denied" && one.network === network,
  );
}
