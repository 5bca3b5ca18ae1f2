import {
  createMemberStates,
  type Lease,
  type MemberStates,
  type MemberVerdict,
  probeKey,
  stateTiming,
} from "../../discovery/members/member-state.ts";
import type { GatewayHost } from "../../discovery/mesh-service.ts";
import type { MemberRecord } from "../../discovery/shards/records.ts";
import { AddressWatch } from "../../gateway/io/address-watch.ts";
import { GatewayProber, type ProbeReport, type ProbeTarget } from "../../gateway/io/prober.ts";
import { emptyRanks, type MeasuredRegion, rankOf, rankRegions } from "../../gateway/rtt-rank.ts";
import type { Charter } from "../../mesh/charter.ts";
import type { CheckClaim } from "../../mesh/claim.ts";
import type { MemberName } from "../../mesh/ids.ts";
import type { Clock, IdentitySource, Log, Random, VerifyPeer } from "../../mesh/ports.ts";
import type { Finding } from "../../mesh/service.ts";

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
}

// A name that stands for many addresses, and many names: each address costs a handshake a second.
const maxAddressesPerMember = 16;

// One first sample, taken while everything starts, would be kept for ten minutes: until then an order
// that was just guessed gives way at once.
const guessMs = 30_000;

/** The other members as seen over the network: gateway addresses, probes, verdicts, nearness. */
export class Neighbours implements Disposable {
  readonly #options: NeighboursOptions;
  readonly #states: MemberStates;
  readonly #addresses: AddressWatch;
  readonly #prober: GatewayProber;
  readonly #reports = new Map<string, ProbeReport>();
  readonly #hosts = new Map<MemberName, readonly GatewayHost[]>();
  readonly #refused = new Map<MemberName, Finding>();
  readonly #rankRandom: number;
  readonly #startedAtMs: number;
  #ranks = emptyRanks;

  constructor(options: NeighboursOptions) {
    this.#options = options;
    const { clock, random, log, identity, verifyPeer } = options;
    this.#rankRandom = random();
    this.#startedAtMs = clock.monotonicMs();
    this.#states = createMemberStates({ ...stateTiming, expireAfterMs: options.expireAfterMs });
    this.#addresses = new AddressWatch({ log, onChange: () => this.refresh() });
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
    return rankOf(this.#ranks, this.#regionOf(member));
  }

  gatewaysOf(member: MemberName): readonly GatewayHost[] {
    return this.#hosts.get(member) ?? [];
  }

  rttOf(member: MemberName): number | undefined {
    const measured = this.reports().flatMap((report) =>
      report.member === member && report.rttMs !== undefined ? [report.rttMs] : [],
    );
    return measured.length === 0 ? undefined : Math.min(...measured);
  }

  /** The longest way that a connection of ours takes now; 0 before anything was measured. */
  worstRttMs(): number {
    const measured = this.reports().map((report) => (report.isAlive ? (report.rttMs ?? 0) : 0));
    return Math.max(0, ...measured);
  }

  reports(): readonly ProbeReport[] {
    return this.#prober.reports();
  }

  setLease(member: MemberName, lease: Lease): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#states.setLease({ member, lease, nowMs })) this.#options.onChange([member]);
  }

  forget(member: MemberName): void {
    this.#states.forget(member);
    const before = this.gatewaysOf(member);
    this.#hosts.delete(member);
    this.#forgetReports(member, before);
    this.#refused.delete(member);
    this.refresh();
  }

  /** Takes over what members' records, the charter and DNS say now. */
  refresh(): void {
    const members = this.#others();
    const records = members.map((member) => ({ member, record: this.#options.recordOf(member) }));
    this.#addresses.setHosts(
      records.flatMap(({ record }) => (record?.gateways ?? []).map(({ host }) => host)),
    );
    const changed = records.filter(({ member, record }) => this.#resolve(member, record));
    this.#prober.setTargets(members.flatMap((member) => this.#targetsOf(member)));
    if (changed.length > 0) this.#options.onChange(changed.map(({ member }) => member));
  }

  /** Once a second: hold-downs, ramps, expiry and ranks advance. */
  tick(now: { readonly isAnyHubReadable: boolean }): void {
    const nowMs = this.#options.clock.monotonicMs();
    const changed = new Set(this.#states.tick({ nowMs, ...now }));
    if (this.#rerank(nowMs)) for (const member of this.#others()) changed.add(member);
    if (changed.size > 0) this.#options.onChange([...changed]);
  }

  /** Whether some member is held for dead now. */
  isFailover(): boolean {
    return this.#others().some((member) => !this.verdictOf(member).isUsable);
  }

  findings(): readonly Finding[] {
    const silent = this.reports().filter((report) => !report.isAlive);
    return [
      ...this.#refused.values(),
      ...silent.map(
        ({ member, address, port }): Finding => ({
          code: "GATEWAY_SILENT",
          severity: "warning",
          subject: member,
          message: `its gateway ${address}:${port} does not answer probes`,
        }),
      ),
    ];
  }

  [Symbol.dispose](): void {
    this.#prober[Symbol.dispose]();
    this.#addresses[Symbol.dispose]();
  }

  #take(report: ProbeReport): void {
    const { member, address, port, isAlive } = report;
    const key = reportKey(report);
    const wasAlive = this.#reports.get(key)?.isAlive ?? true;
    this.#reports.set(key, report);
    const nowMs = this.#options.clock.monotonicMs();
    const isVerdictNew = this.#states.setProbe({ member, address, port, isAlive, nowMs });
    if (wasAlive !== isAlive) this.#resolve(member, this.#options.recordOf(member));
    const isRankNew = this.#rerank(nowMs);
    if (isRankNew) this.#options.onChange(this.#others());
    else if (isVerdictNew || wasAlive !== isAlive) this.#options.onChange([member]);
  }

  /** True when the member's gateways are not what they were. */
  #resolve(member: MemberName, record: MemberRecord | undefined): boolean {
    const before = this.gatewaysOf(member);
    const dropped: string[] = [];
    const hosts: GatewayHost[] = [];
    for (const { host, port } of record?.gateways ?? []) {
      for (const address of this.#addresses.addressesOf(host)) {
        const verdict = this.#options.checkClaim(member, { t: "address", address });
        if (verdict.t === "dropped") dropped.push(verdict.reason);
        else if (hosts.length < maxAddressesPerMember && !hosts.some(isAt(address, port))) {
          const report = this.#reports.get(reportKey({ member, address, port }));
          hosts.push({ address, port, isAlive: report?.isAlive ?? true });
        }
      }
    }
    this.#hosts.set(member, hosts);
    this.#forgetReports(member, before);
    this.#refuse(member, dropped);
    const addresses = new Set(hosts.map(probeKey));
    const nowMs = this.#options.clock.monotonicMs();
    const isVerdictNew = this.#states.keepProbes({ member, addresses, nowMs });
    return isVerdictNew || JSON.stringify(before) !== JSON.stringify(hosts);
  }

  /** A name may stand for other addresses every second: what is known of old ones goes with them. */
  #forgetReports(member: MemberName, before: readonly GatewayHost[]): void {
    const present = this.gatewaysOf(member);
    for (const { address, port } of before) {
      if (present.some(isAt(address, port))) continue;
      this.#reports.delete(reportKey({ member, address, port }));
    }
  }

  #refuse(member: MemberName, dropped: readonly string[]): void {
    if (dropped.length === 0) {
      this.#refused.delete(member);
      return;
    }
    this.#refused.set(member, {
      code: "GATEWAY_ADDRESS_REFUSED",
      severity: "error",
      subject: member,
      message: `a gateway is not used: ${dropped[0] ?? ""}`,
    });
  }

  #targetsOf(member: MemberName): readonly ProbeTarget[] {
    return this.gatewaysOf(member).map(({ address, port }) => ({ member, address, port }));
  }

  #rerank(nowMs: number): boolean {
    const { charter, self } = this.#options;
    const own = charter().members.find((member) => member.name === self);
    const before = this.#ranks.order.join();
    const isFailover = this.isFailover();
    const isGuess = nowMs - this.#startedAtMs < guessMs && !isFailover;
    this.#ranks = rankRegions(isGuess ? emptyRanks : this.#ranks, this.#regions(), {
      nowMs,
      ownCloud: own?.cloud ?? "",
      random: this.#rankRandom,
      isFailover,
    });
    return before !== this.#ranks.order.join();
  }

  #regions(): readonly MeasuredRegion[] {
    const nearest = new Map<string, MeasuredRegion>();
    for (const { name, cloud } of this.#options.charter().members) {
      if (name === this.#options.self) continue;
      const key = this.#regionOf(name);
      const known = nearest.get(key)?.rttMs;
      const own = this.rttOf(name);
      const rttMs = known === undefined || (own !== undefined && own < known) ? own : known;
      nearest.set(key, { key, cloud, ...(rttMs === undefined ? {} : { rttMs }) });
    }
    return [...nearest.values()];
  }

  #regionOf(member: MemberName): string {
    const entry = this.#options.charter().members.find(({ name }) => name === member);
    return `${entry?.cloud ?? ""}/${entry?.region ?? ""}`;
  }

  #others(): readonly MemberName[] {
    return this.#options
      .charter()
      .members.filter(({ name, state }) => name !== this.#options.self && state !== "denied")
      .map(({ name }) => name);
  }
}

function isAt(address: string, port: number): (host: GatewayHost) => boolean {
  return (host) => host.address === address && host.port === port;
}

function reportKey(at: {
  readonly member: MemberName;
  readonly address: string;
  readonly port: number;
}): string {
  return `${at.member} ${at.address} ${at.port}`;
}
