import type { Charter, CharterMember } from "../mesh/charter.ts";
import { charterMember } from "../mesh/charter.ts";
import type { MemberName, ServiceId } from "../mesh/ids.ts";
import type { Finding, LocalService } from "../mesh/service.ts";
import type { AddressClaims } from "./address-claims.ts";
import { createAddressClaims } from "./address-claims.ts";
import type { CheckClaim } from "./claims.ts";
import { expiredMembers } from "./expiry.ts";
import type { GatewayProbe, Lease, MemberVerdict } from "./member-state.ts";
import { createMemberStates, probeKey } from "./member-state.ts";
import type { Merged, RemoteOffer } from "./merge.ts";
import { mergeService } from "./merge.ts";
import type { GatewayHost, MeshService } from "./mesh-service.ts";
import { isMinorChange } from "./minor-change.ts";
import type { ServiceRecord } from "./records.ts";
import type { ContentChange, ShardContent } from "./shard-content.ts";
import type { SourceChange } from "./source.ts";

/** One address that a prober has to watch. */
export interface GatewayTarget {
  readonly member: MemberName;
  /** IP literal. */
  readonly address: string;
  readonly port: number;
}

type Changed = ReadonlySet<ServiceId>;

/**
 * All services as proxies of this member see them. Each input returns the services it changed, and
 * only those are put together again, when they are asked for. Times are monotonic.
 */
export interface MeshView {
  readonly applyLocal: (change: SourceChange) => Changed;
  /** The shard's content changed; it is read through `shardOf`. */
  readonly applyShard: (member: MemberName, change: ContentChange) => Changed;
  /** The charter denies that member or names it no more. */
  readonly dropMember: (member: MemberName) => Changed;
  readonly setCharter: (charter: Charter) => Changed;
  /** Order of the members of other regions, nearest first; those not named come last. */
  readonly setRanks: (ranks: ReadonlyMap<MemberName, number>) => Changed;
  /** A gateway's DNS name has new addresses. */
  readonly hostChanged: (host: string) => Changed;
  readonly setLease: (input: { member: MemberName; lease: Lease; nowMs: number }) => Changed;
  readonly setProbe: (input: GatewayProbe & { nowMs: number }) => Changed;
  /** A response or bytes came from that member through some proxy of ours. */
  readonly setEvidence: (input: { member: MemberName; nowMs: number }) => Changed;
  /** Once a second. */
  readonly tick: (input: { nowMs: number; isAnyHubReadable: boolean }) => Changed;
  readonly service: (id: ServiceId) => MeshService | undefined;
  readonly services: () => readonly ServiceId[];
  readonly verdictOf: (member: MemberName) => MemberVerdict;
  /** What the prober should watch; changes with member records and DNS. */
  readonly gatewayTargets: () => readonly GatewayTarget[];
  /** Host names whose addresses are needed. */
  readonly gatewayHosts: () => ReadonlySet<string>;
  readonly findings: () => readonly Finding[];
}

export function createMeshView(options: {
  readonly self: MemberName;
  readonly charter: Charter;
  readonly shardOf: (member: MemberName) => ShardContent | undefined;
  /** What a host stands for at the moment; an IP literal stands for itself. */
  readonly addressesOf: (host: string) => readonly string[];
  readonly checkClaim: CheckClaim;
}): MeshView {
  const { self, shardOf } = options;
  const states = createMemberStates();
  const locals = new Map<ServiceId, LocalService>();
  const offers = new Map<ServiceId, Map<MemberName, ServiceRecord>>();
  const exportsOf = new Map<MemberName, Set<ServiceId>>();
  const gateways = new Map<MemberName, readonly GatewayTarget[]>();
  const deadGateways = new Set<string>();
  const merged = new Map<ServiceId, Merged>();
  const claims = createAddressClaims();
  let charter = options.charter;
  let ranks: ReadonlyMap<MemberName, number> = new Map();
  let expired: ReadonlySet<MemberName> = new Set();

  const none: Changed = new Set();
  const invalidate = (ids: Iterable<ServiceId>): Changed => {
    const changed = new Set(ids);
    for (const id of changed) {
      merged.delete(id);
      // What waited for the next change: this is it.
      for (const member of offers.get(id)?.keys() ?? []) refresh(member, id);
    }
    return changed;
  };
  const exportsBy = (member: MemberName): Iterable<ServiceId> => exportsOf.get(member) ?? [];
  const changedIf = (isChanged: boolean, member: MemberName): Changed =>
    isChanged ? invalidate(exportsBy(member)) : none;
  const isNear = (member: MemberName): boolean => {
    const network = charterMember(charter, self)?.network;
    return network !== undefined && charterMember(charter, member)?.network === network;
  };
  const isNetworkShared = (): boolean =>
    charter.members.some((one) => one.name !== self && isNear(one.name));

  /** Takes over what the shard says now; true when the member offers the service. */
  const refresh = (member: MemberName, id: ServiceId): boolean => {
    const record = shardOf(member)?.service(id);
    const known = offers.get(id) ?? new Map<MemberName, ServiceRecord>();
    if (record === undefined) {
      known.delete(member);
      if (known.size === 0) offers.delete(id);
      exportsOf.get(member)?.delete(id);
      return false;
    }
    offers.set(id, known.set(member, record));
    const ids = exportsOf.get(member) ?? new Set<ServiceId>();
    exportsOf.set(member, ids.add(id));
    return true;
  };
  const claimRemote = (member: MemberName, id: ServiceId): Changed => {
    const isDialled = isNear(member) && shardOf(member)?.service(id) !== undefined;
    const endpoints = isDialled ? (shardOf(member)?.endpoints(id) ?? []) : [];
    return claims.set(
      { member, id },
      endpoints.map((one) => one.address),
    );
  };
  const claimLocal = (id: ServiceId): Changed => {
    const endpoints = isNetworkShared() ? (locals.get(id)?.endpoints ?? []) : [];
    return claims.set(
      { member: self, id },
      endpoints.map((one) => one.address),
    );
  };
  const canWait = (member: MemberName, id: ServiceId): boolean => {
    const shown = offers.get(id)?.get(member);
    const next = shardOf(member)?.service(id);
    if (shown === undefined || next === undefined || isNear(member)) return false;
    return isMinorChange(shown, next);
  };
  const locateGateways = (member: MemberName): boolean => {
    const before = gateways.get(member) ?? [];
    const after = targetsOf(member, options, shardOf(member));
    gateways.set(member, after);
    return JSON.stringify(before) !== JSON.stringify(after);
  };
  const keepProbes = (member: MemberName, nowMs: number): boolean => {
    const addresses = new Set((gateways.get(member) ?? []).map(probeKey));
    return states.keepProbes({ member, addresses, nowMs });
  };
  const hostsOf = (member: MemberName): readonly GatewayHost[] =>
    (gateways.get(member) ?? []).map((gateway) => ({
      address: gateway.address,
      port: gateway.port,
      isAlive: !deadGateways.has(gatewayKey(gateway)),
    }));

  const offersOf = (id: ServiceId): readonly RemoteOffer[] =>
    [...(offers.get(id) ?? [])].flatMap(([member, record]) => {
      const entry = charterMember(charter, member);
      if (entry === undefined || entry.state === "denied" || expired.has(member)) return [];
      return [offerOf(entry, { id, record })];
    });
  const offerOf = (
    entry: CharterMember,
    one: { readonly id: ServiceId; readonly record: ServiceRecord },
  ): RemoteOffer => {
    const { name: member } = entry;
    const endpoints = isNear(member) ? (shardOf(member)?.endpoints(one.id) ?? []) : [];
    const isContested = endpoints.some((endpoint) => claims.isContested(endpoint.address));
    return {
      entry,
      record: one.record,
      rank: ranks.get(member) ?? ranks.size,
      endpoints: isContested ? [] : endpoints,
      gateways: hostsOf(member),
      verdict: states.verdictOf(member),
    };
  };
  const mergedOf = (id: ServiceId): Merged => {
    const known = merged.get(id);
    if (known !== undefined) return known;
    const fresh = mergeService(id, { local: locals.get(id), offers: offersOf(id) });
    merged.set(id, fresh);
    return fresh;
  };
  const services = (): readonly ServiceId[] => [...new Set([...locals.keys(), ...offers.keys()])];
  const all = (): Changed => invalidate(services());

  return {
    applyLocal: (change) => {
      const changed = new Set([...change.upserts.map((one) => one.id), ...change.removed]);
      for (const service of change.upserts) locals.set(service.id, service);
      for (const id of change.removed) locals.delete(id);
      const doubted = [...changed].flatMap((id) => [...claimLocal(id)]);
      return invalidate([...changed, ...doubted]);
    },
    applyShard: (member, change) => {
      const changed: ServiceId[] = [];
      for (const id of change.services) {
        if (canWait(member, id)) continue;
        const wasOffered = offers.get(id)?.has(member) === true;
        const isOffered = refresh(member, id);
        const doubted = claimRemote(member, id);
        changed.push(...(wasOffered || isOffered ? [id] : []), ...doubted);
      }
      const isMoved = change.isMemberChanged && locateGateways(member);
      return invalidate([...changed, ...(isMoved ? exportsBy(member) : [])]);
    },
    dropMember: (member) => {
      const ids = [...exportsBy(member)];
      const doubted = ids.flatMap((id) => [...claims.set({ member, id }, [])]);
      for (const id of ids) {
        const known = offers.get(id);
        known?.delete(member);
        if (known?.size === 0) offers.delete(id);
      }
      exportsOf.delete(member);
      gateways.delete(member);
      states.forget(member);
      return invalidate([...ids, ...doubted]);
    },
    setCharter: (next) => {
      charter = next;
      // Networks may have changed, and with them who may be dialled.
      for (const id of services()) claimLocal(id);
      for (const [member, ids] of exportsOf) for (const id of ids) claimRemote(member, id);
      for (const member of exportsOf.keys()) locateGateways(member);
      return all();
    },
    setRanks: (next) => {
      const members = [...exportsOf.keys()];
      const moved = members.filter(
        (one) => (next.get(one) ?? next.size) !== (ranks.get(one) ?? ranks.size),
      );
      ranks = next;
      return invalidate(moved.flatMap((member) => [...exportsBy(member)]));
    },
    hostChanged: (host) => {
      const members = [...gateways.keys()].filter((member) =>
        shardOf(member)
          ?.memberRecord()
          ?.gateways.some((gateway) => gateway.host === host),
      );
      const moved = members.filter(locateGateways);
      return invalidate(moved.flatMap((member) => [...exportsBy(member)]));
    },
    setLease: (input) => changedIf(states.setLease(input), input.member),
    setProbe: (input) => {
      const key = gatewayKey(input);
      const wasDead = deadGateways.has(key);
      if (input.isAlive) deadGateways.delete(key);
      else deadGateways.add(key);
      keepProbes(input.member, input.nowMs);
      const isTurned = states.setProbe(input);
      return changedIf(isTurned || wasDead === input.isAlive, input.member);
    },
    setEvidence: (input) => changedIf(states.setEvidence(input), input.member),
    tick: (input) => {
      const turned = [...states.tick(input)];
      for (const member of gateways.keys()) {
        if (keepProbes(member, input.nowMs)) turned.push(member);
      }
      const before = expired;
      expired = expiredMembers([...exportsOf.keys()], {
        isExpired: (member) => states.verdictOf(member).isExpired,
        weightOf: (member) => totalOf(member, { ids: exportsBy(member), offers }),
        before,
      });
      const moved = [...exportsOf.keys()].filter((one) => before.has(one) !== expired.has(one));
      return invalidate([...turned, ...moved].flatMap((member) => [...exportsBy(member)]));
    },
    service: (id) => mergedOf(id).service,
    services,
    verdictOf: states.verdictOf,
    gatewayTargets: () => [...gateways.values()].flat(),
    gatewayHosts: () =>
      new Set(
        [...gateways.keys()].flatMap((member) =>
          (shardOf(member)?.memberRecord()?.gateways ?? []).map((gateway) => gateway.host),
        ),
      ),
    findings: () => [
      ...services().flatMap((id) => [...mergedOf(id).findings]),
      ...contestFindings(claims),
    ],
  };
}

/** Resolved addresses are claims of their own: a DNS name may point anywhere. */
function targetsOf(
  member: MemberName,
  options: {
    readonly addressesOf: (host: string) => readonly string[];
    readonly checkClaim: CheckClaim;
  },
  content: ShardContent | undefined,
): readonly GatewayTarget[] {
  const targets = (content?.memberRecord()?.gateways ?? []).flatMap(({ host, port }) =>
    options.addressesOf(host).map((address) => ({ member, address, port })),
  );
  const allowed = targets.filter(
    ({ address }) => options.checkClaim(member, { t: "address", address }).t === "ok",
  );
  return [...new Map(allowed.map((target) => [gatewayKey(target), target])).values()];
}

function gatewayKey(gateway: GatewayTarget): string {
  return `${gateway.member} ${probeKey(gateway)}`;
}

function totalOf(
  member: MemberName,
  from: {
    readonly ids: Iterable<ServiceId>;
    readonly offers: ReadonlyMap<ServiceId, ReadonlyMap<MemberName, ServiceRecord>>;
  },
): number {
  let total = 0;
  for (const id of from.ids) {
    for (const zone of from.offers.get(id)?.get(member)?.zones ?? []) total += zone.total;
  }
  return total;
}

function contestFindings(claims: AddressClaims): readonly Finding[] {
  return [...claims.contested()].map(([address, members]) => ({
    code: "CATALOG_ADDRESS_CONFLICT",
    severity: "warning",
    subject: address,
    message: `${members.join(" and ")} claim the same address; both are reached through gateways`,
  }));
}
