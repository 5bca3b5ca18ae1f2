import { isIp } from "../../mesh/address.ts";
import type { CheckClaim, Claim } from "../../mesh/claim.ts";
import type { MemberName, ServiceId } from "../../mesh/ids.ts";
import { namespaceOf } from "../../mesh/ids.ts";
import type { Endpoint, Finding } from "../../mesh/service.ts";
import { parseRecordKey } from "../shards/record-key.ts";
import type { EndpointsRecord, MemberRecord, ServiceRecord } from "../shards/records.ts";
import { parseRecord } from "../shards/records.ts";

/** What a change of a shard touched, for whoever builds on it. */
export interface ContentChange {
  readonly services: ReadonlySet<ServiceId>;
  /** The member's own record: gateways, software. */
  readonly isMemberChanged: boolean;
}

/** The records of one remote shard as far as its member may claim them. */
export interface ShardContent {
  readonly service: (id: ServiceId) => ServiceRecord | undefined;
  readonly services: () => IterableIterator<ServiceId>;
  readonly endpoints: (id: ServiceId) => readonly Endpoint[];
  readonly memberRecord: () => MemberRecord | undefined;
  readonly apply: (edit: {
    readonly changed: Iterable<readonly [string, Uint8Array]>;
    readonly removed: Iterable<string>;
  }) => ContentChange;
  /** Judges all claims again, after the charter changed. */
  readonly recheck: () => ContentChange;
  readonly findings: () => readonly Finding[];
}

type Judged<Item> = { readonly item: Item | undefined; readonly dropped: readonly string[] };

export function createShardContent(options: {
  readonly member: MemberName;
  readonly checkClaim: CheckClaim;
}): ShardContent {
  const { member } = options;
  // As stated: what a newer charter may allow is still there.
  const stated = new Map<string, MemberRecord | ServiceRecord | EndpointsRecord>();
  const services = new Map<ServiceId, ServiceRecord>();
  const slices = new Map<ServiceId, Map<number, readonly Endpoint[]>>();
  const problems = new Map<string, Finding>();
  let memberRecord: MemberRecord | undefined;

  const judge = (claim: Claim): string | undefined => {
    const verdict = options.checkClaim(member, claim);
    return verdict.t === "ok" ? undefined : verdict.reason;
  };
  const note = (key: string, code: string, message: string): void => {
    const subject = `${member}:${key}`;
    problems.set(key, { code, severity: "warning", subject, message });
  };
  const admit = (key: string): void => {
    const record = stated.get(key);
    if (record === undefined) return;
    const dropped = admitRecord(record);
    if (dropped.length > 0) note(key, "CATALOG_CLAIM_DROPPED", dropped.join("; "));
  };
  const admitRecord = (
    record: MemberRecord | ServiceRecord | EndpointsRecord,
  ): readonly string[] => {
    switch (record.t) {
      case "member": {
        const judged = allowedMember(record, judge);
        memberRecord = judged.item;
        return judged.dropped;
      }
      case "service": {
        const judged = allowedService(record, judge);
        if (judged.item === undefined) services.delete(record.id);
        else services.set(record.id, judged.item);
        return judged.dropped;
      }
      case "endpoints": {
        const judged = allowedEndpoints(record, judge);
        const known = slices.get(record.id) ?? new Map<number, readonly Endpoint[]>();
        slices.set(record.id, known.set(record.slice, judged.item ?? []));
        return judged.dropped;
      }
    }
  };
  const take = (key: string, bytes: Uint8Array): void => {
    problems.delete(key);
    const parsed = parseRecord(key, bytes);
    switch (parsed.t) {
      case "ok":
        stated.set(key, parsed.record);
        return admit(key);
      case "unknown":
        return;
      case "newer": {
        const message = `its schema ${parsed.schema} is newer than this agent; the last good record stays`;
        return note(key, "CATALOG_RECORD_NEWER", message);
      }
      case "refused":
        return note(key, "CATALOG_RECORD_REFUSED", `${parsed.reason}; the last good record stays`);
    }
  };
  const drop = (key: string): void => {
    problems.delete(key);
    stated.delete(key);
    const about = parseRecordKey(key);
    if (about?.t === "member") memberRecord = undefined;
    if (about?.t === "service") services.delete(about.id);
    if (about?.t !== "endpoints") return;
    const known = slices.get(about.id);
    known?.delete(about.slice);
    if (known?.size === 0) slices.delete(about.id);
  };

  return {
    service: (id) => services.get(id),
    services: () => services.keys(),
    endpoints: (id) => [...(slices.get(id)?.values() ?? [])].flat(),
    memberRecord: () => memberRecord,
    apply: ({ changed, removed }) => {
      const touched = new Set<string>();
      for (const [key, bytes] of changed) {
        touched.add(key);
        take(key, bytes);
      }
      for (const key of removed) {
        touched.add(key);
        drop(key);
      }
      return changeOf(touched);
    },
    recheck: () => {
      for (const [key, problem] of problems) {
        if (problem.code === "CATALOG_CLAIM_DROPPED") problems.delete(key);
      }
      for (const key of stated.keys()) admit(key);
      return changeOf(stated.keys());
    },
    findings: () => [...problems.values()],
  };
}

function changeOf(keys: Iterable<string>): ContentChange {
  const services = new Set<ServiceId>();
  let isMemberChanged = false;
  for (const key of keys) {
    const about = parseRecordKey(key);
    if (about?.t === "member") isMemberChanged = true;
    if (about?.t === "service" || about?.t === "endpoints") services.add(about.id);
  }
  return { services, isMemberChanged };
}

type Judge = (claim: Claim) => string | undefined;

function allowedMember(record: MemberRecord, judge: Judge): Judged<MemberRecord> {
  const dropped: string[] = [];
  const gateways = record.gateways.filter(({ host }) => {
    // What a DNS name resolves to is judged when it is known.
    const reason = isIp(host) ? judge({ t: "address", address: host }) : undefined;
    if (reason !== undefined) dropped.push(`gateway ${host}: ${reason}`);
    return reason === undefined;
  });
  return { item: { ...record, gateways }, dropped };
}

function allowedService(record: ServiceRecord, judge: Judge): Judged<ServiceRecord> {
  const refusal = judge({ t: "export", namespace: namespaceOf(record.id) });
  if (refusal !== undefined) return { item: undefined, dropped: [refusal] };
  const dropped: string[] = [];
  const identities = record.identities.filter((id) => {
    const reason = judge({ t: "identity", id });
    if (reason !== undefined) dropped.push(`identity ${id}: ${reason}`);
    return reason === undefined;
  });
  // Nobody could be told whom to accept there: such an export is of no use.
  if (dropped.length > 0 && identities.length === 0) return { item: undefined, dropped };
  return { item: dropped.length === 0 ? record : { ...record, identities }, dropped };
}

function allowedEndpoints(record: EndpointsRecord, judge: Judge): Judged<readonly Endpoint[]> {
  const dropped: string[] = [];
  const item = record.endpoints.filter((endpoint) => {
    const proofs = Object.values(endpoint.sidecars ?? {});
    const addresses = new Set([endpoint.address, ...proofs.map((proof) => proof.address)]);
    const reasons = [...addresses].flatMap((address) => judge({ t: "address", address }) ?? []);
    if (reasons.length > 0) dropped.push(`endpoint ${endpoint.address}: ${reasons.join(", ")}`);
    return reasons.length === 0;
  });
  return { item, dropped };
}
