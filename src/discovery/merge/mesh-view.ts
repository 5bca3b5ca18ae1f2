import type { Charter, CharterMember } from "../../mesh/charter.ts";
import { charterMember } from "../../mesh/charter.ts";
import type { MemberName, ServiceId } from "../../mesh/ids.ts";
import { namespaceOf } from "../../mesh/ids.ts";
import type { Endpoint, Finding, LocalService } from "../../mesh/service.ts";
import type { ContentChange, ShardContent } from "../follow/shard-content.ts";
import { expiredMembers } from "../members/expiry.ts";
import type { MemberVerdict } from "../members/member-state.ts";
import { type Passage, throughPassage } from "../members/proxy-evidence.ts";
import type { GatewayHost, MeshService } from "../mesh-service.ts";
import type { ImportPolicy } from "../policies/import-policy.ts";
import { type ImportRules, importRules } from "../policies/import-rules.ts";
import type { ServiceRecord } from "../shards/records.ts";
import type { SourceChange } from "../source.ts";
import type { AddressClaims } from "./address-claims.ts";
import { createAddressClaims } from "./address-claims.ts";
import type { Merged, RemoteOffer } from "./merge.ts";
import { mergeService } from "./merge.ts";
import type { OfferIndex } from "./offer-index.ts";
import { createOfferIndex } from "./offer-index.ts";

type Changed = ReadonlySet<ServiceId>;

/** An export that is there and does not join the service here. */
export interface KeptOut {
  readonly member: MemberName;
  readonly record: ServiceRecord;
  /** Names of the import policies that do not let it. */
  readonly policies: readonly string[];
}

/**
 * All services as proxies of this member see them. Each input returns the services it changed; only
 * those are put together again, when they are asked for.
 */
export interface MeshView {
  readonly applyLocal: (change: SourceChange) => Changed;
  /** The shard's content changed; it is read through `shardOf`. */
  readonly applyShard: (member: MemberName, change: ContentChange) => Changed;
  /** The charter denies that member or names it no more. */
  readonly dropMember: (member: MemberName) => Changed;
  /** Their verdicts, gateways or ranks changed. */
  readonly touchMembers: (members: readonly MemberName[]) => Changed;
  /** Whether that service gets through to some member changed. */
  readonly touchService: (id: ServiceId) => Changed;
  /** Takes the place of all policies before; returns the services that a member joins or leaves. */
  readonly applyPolicies: (policies: readonly ImportPolicy[]) => Changed;
  /** Networks and regions may be others. */
  readonly charterChanged: () => Changed;
  /** Undefined: nobody has such a service. */
  readonly service: (id: ServiceId) => MeshService | undefined;
  readonly services: () => readonly ServiceId[];
  /** Members whose export of it policies keep out. */
  readonly keptOut: (id: ServiceId) => readonly KeptOut[];
  /** How many services that member offers. */
  readonly exportsOf: (member: MemberName) => number;
  readonly findings: () => readonly Finding[];
}

export interface MeshViewOptions {
  readonly self: MemberName;
  readonly charter: () => Charter;
  readonly shardOf: (member: MemberName) => ShardContent | undefined;
  readonly verdictOf: (member: MemberName) => MemberVerdict;
  /** What proxies find out about one service there; absent: they report nothing. */
  readonly passageOf?: (id: ServiceId, member: MemberName) => Passage;
  /** Order among members of other regions, nearest first. */
  readonly rankOf: (member: MemberName) => number;
  /** Resolved and allowed addresses. */
  readonly gatewaysOf: (member: MemberName) => readonly GatewayHost[];
}

export function createMeshView(options: MeshViewOptions): MeshView {
  const { self, charter, shardOf } = options;
  const locals = new Map<ServiceId, LocalService>();
  const offers = createOfferIndex(shardOf);
  const claims = createAddressClaims();
  const merged = new Map<ServiceId, Merged>();
  let expired: ReadonlySet<MemberName> = new Set();
  let rules = importRules([]);

  const invalidate = (ids: Iterable<ServiceId>): Changed => {
    const changed = new Set(ids);
    for (const id of changed) merged.delete(id);
    return changed;
  };
  const networkOf = (member: MemberName): string | undefined =>
    charterMember(charter(), member)?.network;
  const isDialled = (member: MemberName): boolean => networkOf(member) === networkOf(self);
  const isNetworkShared = (): boolean =>
    charter().members.some((one) => one.name !== self && isDialled(one.name));

  const dialledOf = (member: MemberName, id: ServiceId): readonly Endpoint[] =>
    isDialled(member) ? (shardOf(member)?.endpoints(id) ?? []) : [];
  const claimRemote = (member: MemberName, id: ServiceId): Changed =>
    claims.set({ member, id }, addressesOf(offers.get(id, member) && dialledOf(member, id)));
  const claimLocal = (id: ServiceId): Changed =>
    claims.set(
      { member: self, id },
      isNetworkShared() ? addressesOf(locals.get(id)?.endpoints) : [],
    );

  const offerOf = (entry: CharterMember, id: ServiceId, record: ServiceRecord): RemoteOffer => {
    const { name: member } = entry;
    const endpoints = dialledOf(member, id);
    const isContested = endpoints.some((endpoint) => claims.isContested(endpoint.address));
    return {
      entry,
      record,
      rank: options.rankOf(member),
      endpoints: isContested ? [] : endpoints,
      gateways: options.gatewaysOf(member),
      verdict: throughPassage(options.verdictOf(member), options.passageOf?.(id, member)),
    };
  };
  const allowed = (member: MemberName): CharterMember | undefined => {
    const entry = charterMember(charter(), member);
    return entry?.state === "denied" ? undefined : entry;
  };
  const offersOf = (id: ServiceId): readonly RemoteOffer[] =>
    [...offers.of(id)].flatMap(([member, record]) => {
      const entry = allowed(member);
      const isOut = entry === undefined || expired.has(member) || !joins(rules, { id, member });
      return isOut ? [] : [offerOf(entry, id, record)];
    });
  const mergedOf = (id: ServiceId): Merged => {
    const known = merged.get(id);
    if (known !== undefined) return known;
    // Not before somebody asks: a start touches each service once for every member.
    offers.refreshAll(id);
    const fresh = mergeService(id, { local: locals.get(id), offers: offersOf(id) });
    merged.set(id, fresh);
    return fresh;
  };
  const services = (): readonly ServiceId[] => [...new Set([...locals.keys(), ...offers.ids()])];

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
        // Single endpoints may have changed that counts do not show.
        if (!isDialled(member) && offers.canWait(id, member)) continue;
        const wasOffered = offers.get(id, member) !== undefined;
        offers.refresh(id, member);
        const isOffered = offers.get(id, member) !== undefined;
        changed.push(...(wasOffered || isOffered ? [id] : []), ...claimRemote(member, id));
      }
      return invalidate(changed);
    },
    dropMember: (member) => {
      const ids = offers.drop(member);
      const doubted = ids.flatMap((id) => [...claims.set({ member, id }, [])]);
      return invalidate([...ids, ...doubted]);
    },
    touchMembers: (members) => {
      const before = expired;
      expired = expiredMembers(offers.members(), {
        isExpired: (one) => options.verdictOf(one).isExpired,
        weightOf: offers.weightOf,
        before,
      });
      const moved = offers.members().filter((one) => before.has(one) !== expired.has(one));
      return invalidate([...members, ...moved].flatMap((one) => [...offers.by(one)]));
    },
    touchService: (id) => invalidate([id]),
    applyPolicies: (policies) => {
      const before = rules;
      rules = importRules(policies);
      const isOther = (id: ServiceId, member: MemberName): boolean =>
        joins(before, { id, member }) !== joins(rules, { id, member });
      return invalidate(
        [...offers.ids()].filter((id) =>
          [...offers.of(id).keys()].some((member) => isOther(id, member)),
        ),
      );
    },
    charterChanged: () => {
      for (const id of services()) {
        claimLocal(id);
        for (const member of offers.of(id).keys()) claimRemote(member, id);
      }
      return invalidate(services());
    },
    service: (id) => mergedOf(id).service,
    services,
    keptOut: (id) =>
      [...offers.of(id)].flatMap(([member, record]) => {
        const policies = rules.against(namespaceOf(id), member);
        const isThere = allowed(member) !== undefined && !expired.has(member);
        return policies.length > 0 && isThere ? [{ member, record, policies }] : [];
      }),
    exportsOf: (member) => offers.by(member).size,
    findings: () => [
      ...services().flatMap((id) => [...mergedOf(id).findings]),
      ...contestFindings(claims),
      ...expiryFindings(offers, expired),
      ...rules.findings(new Set(charter().members.map(({ name }) => name))),
    ],
  };
}

function joins(
  rules: ImportRules,
  { id, member }: { readonly id: ServiceId; readonly member: MemberName },
): boolean {
  return rules.against(namespaceOf(id), member).length === 0;
}

function addressesOf(endpoints: readonly Endpoint[] | undefined): readonly string[] {
  return (endpoints ?? []).map((endpoint) => endpoint.address);
}

function contestFindings(claims: AddressClaims): readonly Finding[] {
  return [...claims.contested()].map(([address, members]) => ({
    code: "CATALOG_ADDRESS_CONFLICT",
    severity: "warning",
    subject: address,
    message: `${members.join(" and ")} claim the same address; others reach it through gateways`,
  }));
}

function expiryFindings(offers: OfferIndex, expired: ReadonlySet<MemberName>): readonly Finding[] {
  return [...expired].map((member) => ({
    code: "CATALOG_MEMBER_EXPIRED",
    severity: "warning",
    subject: member,
    message: `down for too long; its ${offers.by(member).size} exports are not used`,
  }));
}
