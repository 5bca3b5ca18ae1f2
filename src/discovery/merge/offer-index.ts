import type { MemberName, ServiceId } from "../../mesh/ids.ts";
import type { ShardContent } from "../follow/shard-content.ts";
import type { ServiceRecord } from "../shards/records.ts";
import { isMinorChange } from "./minor-change.ts";

/** Who offers what, as it is shown to proxies: a change of hardly any weight is shown with the next. */
export interface OfferIndex {
  readonly of: (id: ServiceId) => ReadonlyMap<MemberName, ServiceRecord>;
  readonly get: (id: ServiceId, member: MemberName) => ServiceRecord | undefined;
  readonly ids: () => Iterable<ServiceId>;
  readonly by: (member: MemberName) => ReadonlySet<ServiceId>;
  readonly members: () => readonly MemberName[];
  /** Whether what the shard says now may be shown later. */
  readonly canWait: (id: ServiceId, member: MemberName) => boolean;
  /** Takes over what the shard says now. */
  readonly refresh: (id: ServiceId, member: MemberName) => void;
  /** The same for all members that offer it. */
  readonly refreshAll: (id: ServiceId) => void;
  /** Forgets a member; returns what it offered. */
  readonly drop: (member: MemberName) => readonly ServiceId[];
  /** Endpoints that the member publishes, over all services. */
  readonly weightOf: (member: MemberName) => number;
}

export function createOfferIndex(
  shardOf: (member: MemberName) => ShardContent | undefined,
): OfferIndex {
  const byId = new Map<ServiceId, Map<MemberName, ServiceRecord>>();
  const byMember = new Map<MemberName, Set<ServiceId>>();

  const remove = (id: ServiceId, member: MemberName): void => {
    const known = byId.get(id);
    known?.delete(member);
    if (known?.size === 0) byId.delete(id);
    const ids = byMember.get(member);
    ids?.delete(id);
    if (ids?.size === 0) byMember.delete(member);
  };
  const refresh = (id: ServiceId, member: MemberName): void => {
    const record = shardOf(member)?.service(id);
    if (record === undefined) return remove(id, member);
    const known = byId.get(id) ?? new Map<MemberName, ServiceRecord>();
    byId.set(id, known.set(member, record));
    const ids = byMember.get(member) ?? new Set<ServiceId>();
    byMember.set(member, ids.add(id));
  };
  const by = (member: MemberName): ReadonlySet<ServiceId> => byMember.get(member) ?? nothing;

  return {
    of: (id) => byId.get(id) ?? nobody,
    get: (id, member) => byId.get(id)?.get(member),
    ids: () => byId.keys(),
    by,
    members: () => [...byMember.keys()],
    canWait: (id, member) => {
      const shown = byId.get(id)?.get(member);
      const next = shardOf(member)?.service(id);
      return shown !== undefined && next !== undefined && isMinorChange(shown, next);
    },
    refresh,
    refreshAll: (id) => {
      for (const member of byId.get(id)?.keys() ?? []) refresh(id, member);
    },
    drop: (member) => {
      const ids = [...by(member)];
      for (const id of ids) remove(id, member);
      return ids;
    },
    weightOf: (member) => {
      let total = 0;
      for (const id of by(member)) {
        for (const zone of byId.get(id)?.get(member)?.zones ?? []) total += zone.total;
      }
      return total;
    },
  };
}

const nothing: ReadonlySet<ServiceId> = new Set();
const nobody: ReadonlyMap<MemberName, ServiceRecord> = new Map();
