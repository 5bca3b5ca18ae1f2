import { memberFindings } from "../../../discovery/members/member-findings.ts";
import {
  createMemberStates,
  type Lease,
  type MemberStates,
  type MemberVerdict,
  probeKey,
  stateTiming,
} from "../../../discovery/members/member-state.ts";
import type { GatewayHost } from "../../../discovery/mesh-service.ts";
import type { MemberRecord } from "../../../discovery/shards/records.ts";
import { GatewayProber, type ProbeReport, type ProbeTarget } from "../../../gateway/io/prober.ts";
import type { ResolveHost } from "../../../gateway/io/resolve-host.ts";
import type { GatewayBook } from "../../../gateway/remote/gateway-book.ts";
import type { KnownHost } from "../../../gateway/remote/host-answer.ts";
import type { Charter } from "../../../mesh/charter.ts";
import type { CheckClaim } from "../../../mesh/claim.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type { Clock, IdentitySource, Log, Random, VerifyPeer } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import { GatewayDirectory } from "../gateways/gateway-directory.ts";
import { nearestGateways, RegionRanks } from "../gateways/region-ranks.ts";
import { silenceFinding } from "../gateways/silent-gateway.ts";

export interface NeighboursOptions {
  readonly self: MemberName;
  readonly charter: () => Charter;
  readonly recordOf: (member: MemberName) => MemberRecord | undefined;
  readonly checkClaim: CheckClaim;
  readonly identity: IdentitySource;
  readonly verifyPeer: VerifyPeer;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly expireAfterMs: number;
  /** What is known of these members' reachability or nearness is no longer what it was. */
  readonly onChange: (members: readonly MemberName[]) => void;
  /** How names of gateways are resolved; default: as the system does. */
  readonly resolve?: ResolveHost;
}

// Reports come once a second, and what they tell of may be as old.
const reportMs = 1000;

/** The other members as seen over the network: gateway addresses, probes, verdicts, nearness. */
export class Neighbours implements Disposable {
  readonly #options: NeighboursOptions;
  readonly #states: MemberStates;
  readonly #directory: GatewayDirectory;
  readonly #prober: GatewayProber;
  readonly #ranks: RegionRanks;
  #isAnyHubReadable = false;
  readonly #unheard = new Map<MemberName, NodeJS.Timeout>();

  constructor(options: NeighboursOptions) {
    this.#options = options;
    const { clock, random, log, identity, verifyPeer } = options;
    this.#ranks = new RegionRanks({
      ...options,
      others: () => this.#others(),
      reports: () => this.reports(),
      isFailover: () => this.isFailover(),
      onMoved: options.onChange,
    });
    this.#states = createMemberStates({ ...stateTiming, expireAfterMs: options.expireAfterMs });
    this.#directory = new GatewayDirectory({ ...options, onResolved: () => this.refresh() });
    this.#prober = new GatewayProber({
      mesh: options.charter().mesh,
      identity,
      verifyPeer,
      clock,
      random,
      log,
      onReport: (report) => this.#take(report),
    });
  }

  verdictOf(member: MemberName): MemberVerdict {
    return this.#states.verdictOf(member);
  }

  /** 1 is nearest. */
  rankOf(member: MemberName): number {
    return this.#ranks.rankOf(member);
  }

  gatewaysOf(member: MemberName): readonly GatewayHost[] {
    return this.#directory.hostsOf(member);
  }

  /** Every address, also those that proxies are not told of. */
  gatewayBookOf(member: MemberName): GatewayBook {
    return this.#directory.bookOf(member);
  }

  /** What DNS said of a gateway's name; undefined for an IP literal. */
  resolutionOf(name: string): KnownHost | undefined {
    return this.#directory.resolutionOf(name);
  }

  rttOf(member: MemberName): number | undefined {
    return nearestGateways(this.reports()).get(member);
  }

  /** The longest way that a connection of ours takes now; 0 before it was measured often enough. */
  worstRttMs(): number {
    const alive = this.reports().filter((report) => report.isAlive);
    return Math.max(0, ...alive.map(({ presentRttMs = 0 }) => presentRttMs));
  }

  reports(): readonly ProbeReport[] {
    return this.#prober.reports();
  }

  setLease(member: MemberName, lease: Lease): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#states.setLease({ member, lease, nowMs })) this.#options.onChange([member]);
  }

  /** Proxies of ours get answers or payload from it: that outweighs what probes say. */
  hear(member: MemberName): void {
    const nowMs = this.#options.clock.monotonicMs();
    const atMs = nowMs - reportMs;
    if (this.#states.setEvidence({ member, atMs, nowMs })) this.#options.onChange([member]);
    // Its end is not left to the next tick: a second more of it is a second more of waiting for the dead.
    const ending = this.#unheard.get(member);
    // Each row of each report comes here: a new timer for each would cost more than the row.
    if (ending === undefined) this.#unheard.set(member, this.#recheckOnSilence(member));
    else ending.refresh();
  }

  forget(member: MemberName): void {
    clearTimeout(this.#unheard.get(member));
    this.#unheard.delete(member);
    this.#states.forget(member);
    this.#directory.forget(member);
    this.refresh();
  }

  /** Takes over what members' records, the charter and DNS say now. */
  refresh(): void {
    const members = this.#others();
    this.#directory.watch(members);
    const changed = members.filter((member) => this.#update(member));
    this.#probeAll();
    if (changed.length > 0) this.#options.onChange(changed);
  }

  /** Once a second: hold-downs, ramps, expiry and ranks advance. */
  tick(now: { readonly isAnyHubReadable: boolean }): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#isAnyHubReadable = now.isAnyHubReadable;
    const changed = new Set(this.#states.tick({ nowMs, ...now }));
    for (const member of this.#ranks.rerank()) changed.add(member);
    if (changed.size > 0) this.#options.onChange([...changed]);
  }

  /** Whether some member is held for dead now. */
  isFailover(): boolean {
    return this.#others().some((member) => !this.verdictOf(member).isUsable);
  }

  findings(): readonly Finding[] {
    const silent = this.reports().filter(({ isAlive }) => !isAlive);
    const known = this.#others().filter((member) => this.#options.recordOf(member) !== undefined);
    const states = known.map((member) => ({ member, state: this.verdictOf(member).state }));
    return [
      ...memberFindings(states, { isAnyHubReadable: this.#isAnyHubReadable }),
      ...this.#directory.findings(),
      ...silent.map((report) => silenceFinding(report, this.gatewayBookOf(report.member))),
    ];
  }

  [Symbol.dispose](): void {
    this.#ranks[Symbol.dispose]();
    for (const timer of this.#unheard.values()) clearTimeout(timer);
    this.#prober[Symbol.dispose]();
    this.#directory[Symbol.dispose]();
  }

  #recheckOnSilence(member: MemberName): NodeJS.Timeout {
    return setTimeout(() => {
      this.#unheard.delete(member);
      this.tick({ isAnyHubReadable: this.#isAnyHubReadable });
    }, stateTiming.evidenceMs - reportMs);
  }

  #take(report: ProbeReport): void {
    const { member, address, port, isAlive } = report;
    const nowMs = this.#options.clock.monotonicMs();
    const isVerdictNew = this.#states.setProbe({ member, address, port, isAlive, nowMs });
    const isHostNew = this.#directory.probed(report);
    const isLeft = this.#keepProbes(member);
    // An address that was kept until this one answered.
    if (isHostNew) this.#probeAll();
    this.#ranks.rerankSoon();
    if (isVerdictNew || isHostNew || isLeft) this.#options.onChange([member]);
  }

  /** True when the member's gateways, or what follows from them, are not what they were. */
  #update(member: MemberName): boolean {
    const isHostNew = this.#directory.update(member);
    return this.#keepProbes(member) || isHostNew;
  }

  /** A name may stand for other addresses every second: what is known of old ones goes with them. */
  #keepProbes(member: MemberName): boolean {
    const addresses = new Set(this.gatewayBookOf(member).map(probeKey));
    const nowMs = this.#options.clock.monotonicMs();
    return this.#states.keepProbes({ member, addresses, nowMs });
  }

  #probeAll(): void {
    const targets = this.#others().flatMap((member) =>
      this.gatewayBookOf(member).map(
        ({ address, port }): ProbeTarget => ({ member, address, port }),
      ),
    );
    this.#prober.setTargets(targets);
  }

  #others(): readonly MemberName[] {
    return this.#options
      .charter()
      .members.filter(({ name, state }) => name !== this.#options.self && state !== "denied")
      .map(({ name }) => name);
  }
}
