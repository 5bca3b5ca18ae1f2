import type { Charter, SignedCharter } from "../../../mesh/charter.ts";
import { charterMember } from "../../../mesh/charter.ts";
import type { CheckClaim } from "../../../mesh/claim.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import { trustDomainOf } from "../../../mesh/ids.ts";
import type { Clock, Log, Random, Sign, VerifySignature } from "../../../mesh/ports.ts";
import type { Finding, LocalService } from "../../../mesh/service.ts";
import type { CatalogEvent } from "../../follow/catalog-event.ts";
import type { ShardContent } from "../../follow/shard-content.ts";
import type { MemberStatus } from "../../follow/shard-set.ts";
import type { Contender, Election } from "../../publish/election.ts";
import type { HubStatus } from "../../publish/hub-status.ts";
import { hubStatusOf } from "../../publish/hub-status.ts";
import { ownFindings } from "../../publish/own-findings.ts";
import type { SnapshotStore } from "../../shards/snapshot-store.ts";
import type { CatalogStore } from "../../shards/store.ts";
import type { SourceChange } from "../../source.ts";
import type { Timers } from "../../timers.ts";
import type { WriterStatus } from "./catalog-writer.ts";
import type { CharterSender } from "./charter-sender.ts";
import { startCharterSender } from "./charter-sender.ts";
import { createCopySaver } from "./copy-saver.ts";
import type { HeldWithdrawals, OwnWords } from "./own-publisher.ts";
import { createOwnPublisher } from "./own-publisher.ts";
import { createShardFollower } from "./shard-follower.ts";
import { openWriterMemory } from "./writer-memory.ts";

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
  /** Asked at the start: who of those agents publishes is decided outside of the hubs. */
  readonly elect?: (self: Contender) => Election;
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
  readonly held: () => HeldWithdrawals;
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
  const { member: self, clock, timers, log, snapshots } = options;
  const { mesh } = options.charter;
  const leaseMs = options.leaseMs ?? defaults.leaseMs;
  const timeoutMs = options.timeoutMs ?? defaults.timeoutMs;
  const pollMs = leaseMs / pollsPerLease;
  const closing = new AbortController();
  const { signal } = closing;
  let { charter, signedCharter } = options;
  let startedAtMs = Number.POSITIVE_INFINITY;
  let charters: CharterSender | undefined;
  let cancelTick = (): void => {};

  const saver = createCopySaver({
    snapshots,
    timers,
    log,
    copyOf: (member) => others.shard(member)?.copy(),
  });
  const others = createShardFollower({
    ...options,
    timeoutMs,
    pollMs,
    signal,
    charterNumber: () => charter.number,
    onTouched: saver.touch,
  });
  const own = createOwnPublisher({
    ...options,
    mesh,
    leaseMs,
    timeoutMs,
    signal,
    exportOptions: () => ({
      trustDomain: trustDomainOf(self, mesh),
      isNetworkShared: isNetworkShared(charter, self),
    }),
    onPublished: (copy) => saver.touchOwn(self, copy),
  });
  const tick = (): void => {
    others.tick();
    cancelTick = timers.after(leaseTickMs, tick);
  };
  const hubs = (): readonly HubStatus[] => {
    const { hubs: written = [], isStandby = false } = own.status() ?? {};
    return others.readers().map((one, index) => {
      const reading = one.status();
      const writing = written[index] ?? { state: "behind", sinceMs: reading.sinceMs };
      const store = options.stores[index];
      const course = { reading, writing, isStandby, refusal: store?.refusal?.() };
      return hubStatusOf(one.name, { ...course, server: store?.server?.() });
    });
  };
  const findings = (): readonly Finding[] => {
    const writer = own.status();
    // That a replica waits is as it should be.
    const fencedBy = writer?.isStandby === true ? undefined : writer?.fencedBy;
    const held = own.held().services;
    return [...others.findings(), ...ownFindings(self, { held, fencedBy, hubs: hubs() })];
  };

  return {
    start: async (outer) => {
      startedAtMs = clock.monotonicMs();
      const memory = await openWriterMemory(snapshots, log);
      await others.load();
      others.start();
      const sending = { charter, signedCharter, pollMs, timeoutMs, signal };
      charters = startCharterSender({ ...options, ...sending });
      tick();
      await own.start(memory, outer);
    },
    publishAll: own.publishAll,
    publish: own.publish,
    publishMember: own.publishMember,
    confirmWithdrawals: own.confirmWithdrawals,
    held: own.held,
    setCharter: (next, signed) => {
      charter = next;
      signedCharter = signed;
      others.setCharter(next);
      charters?.send({ member: self, number: next.number, charter: signed });
      own.restage();
    },
    shard: (member) => others.shard(member)?.content,
    members: others.members,
    memberStatus: others.status,
    writerStatus: own.status,
    hubs,
    missing: others.missing,
    isWarm: () => others.missing().length === 0 || clock.monotonicMs() - startedAtMs >= warmAfterMs,
    findings,
    [Symbol.asyncDispose]: async () => {
      cancelTick();
      await own.close();
      closing.abort(new Error("the catalog is closing"));
      await Promise.all([others.ended(), charters?.done]);
      await saver.close();
      await Promise.all(options.stores.map((store) => store[Symbol.asyncDispose]()));
    },
  };
}

function isNetworkShared(charter: Charter, self: MemberName): boolean {
  const network = charterMember(charter, self)?.network;
  return charter.members.some(
    (one) => one.name !== self && one.state !== "denied" && one.network === network,
  );
}
