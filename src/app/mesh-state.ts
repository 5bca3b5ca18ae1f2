import type { Charter } from "../mesh/charter.ts";
import { charterMember } from "../mesh/charter.ts";
import type { MemberName, ServiceId } from "../mesh/ids.ts";
import type { Endpoint, Finding, LocalService } from "../mesh/service.ts";
import type { MemberVerdict } from "../discovery/member-state.ts";
import { mergeService, type RemoteOffer } from "../discovery/merge.ts";
import type { GatewayHost, MeshService } from "../discovery/mesh-service.ts";
import type { ShardContent } from "../discovery/shard-content.ts";

/** What the merge asks of the rest of the agent, at the moment of each merge. */
export interface MeshStateOptions {
  readonly self: MemberName;
  readonly charter: () => Charter;
  readonly local: (id: ServiceId) => LocalService | undefined;
  readonly members: () => readonly MemberName[];
  readonly shard: (member: MemberName) => ShardContent | undefined;
  readonly verdictOf: (member: MemberName) => MemberVerdict;
  readonly rankOf: (member: MemberName) => number;
  readonly gatewaysOf: (member: MemberName) => readonly GatewayHost[];
  /** Takes one merged service; undefined: it is gone. */
  readonly onService: (id: ServiceId, service: MeshService | undefined) => void;
  /** Called before the first merge of a quiet time; must call `flush` soon. */
  readonly schedule: () => void;
}

/**
 * Local and remote state put together, service by service. What changed is noted and merged in the
 * same turn of the event loop or, when much changed at once, in slices of it.
 */
export interface MeshState {
  readonly touch: (ids: Iterable<ServiceId>) => void;
  /** Everything that this member offers. */
  readonly touchMember: (member: MemberName) => void;
  /** Merges up to `max` services; true when more wait. */
  readonly flush: (max: number) => boolean;
  readonly isSettled: () => boolean;
  readonly findings: () => readonly Finding[];
  /** Of one member, as known here. */
  readonly exportsOf: (member: MemberName) => number;
}

export function createMeshState(options: MeshStateOptions): MeshState {
  const waiting = new Set<ServiceId>();
  const conflicts = new Map<ServiceId, readonly Finding[]>();
  // Services by the member they were last merged from: what is gone from a shard must be merged again.
  const offeredBy = new Map<MemberName, Set<ServiceId>>();

  const touch = (ids: Iterable<ServiceId>): void => {
    const wasQuiet = waiting.size === 0;
    for (const id of ids) waiting.add(id);
    if (wasQuiet && waiting.size > 0) options.schedule();
  };
  const merge = (id: ServiceId): void => {
    const offers = offersFor(id, options);
    const offering = new Set(offers.map(({ entry }) => entry.name));
    for (const member of offering) {
      offeredBy.set(member, (offeredBy.get(member) ?? new Set<ServiceId>()).add(id));
    }
    for (const [member, ids] of offeredBy) if (!offering.has(member)) ids.delete(id);
    const merged = mergeService(id, { local: options.local(id), offers });
    if (merged.findings.length === 0) conflicts.delete(id);
    else conflicts.set(id, merged.findings);
    options.onService(id, merged.service);
  };

  return {
    touch,
    touchMember: (member) => {
      touch(offeredBy.get(member) ?? []);
      touch(options.shard(member)?.services() ?? []);
    },
    flush: (max) => {
      let count = 0;
      for (const id of waiting) {
        if (count >= max) return true;
        waiting.delete(id);
        merge(id);
        count += 1;
      }
      return false;
    },
    isSettled: () => waiting.size === 0,
    findings: () => [...conflicts.values()].flat(),
    exportsOf: (member) => offeredBy.get(member)?.size ?? 0,
  };
}

function offersFor(id: ServiceId, options: MeshStateOptions): readonly RemoteOffer[] {
  const charter = options.charter();
  const own = charterMember(charter, options.self);
  return options.members().flatMap((member): readonly RemoteOffer[] => {
    const content = options.shard(member);
    const record = content?.service(id);
    const entry = charterMember(charter, member);
    const verdict = options.verdictOf(member);
    if (content === undefined || record === undefined || entry === undefined) return [];
    if (verdict.isExpired) return [];
    const isDialled = entry.network === own?.network;
    const endpoints: readonly Endpoint[] = isDialled ? content.endpoints(id) : [];
    const gateways = options.gatewaysOf(member);
    return [{ entry, rank: options.rankOf(member), record, endpoints, gateways, verdict }];
  });
}
