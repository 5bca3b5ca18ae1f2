import type { ServiceId } from "../../mesh/ids.ts";
import type { LocalService } from "../../mesh/service.ts";
import type { Buckets } from "../shards/buckets.ts";
import { bucketsFor, createBuckets } from "../shards/buckets.ts";
import { memberKey, parseRecordKey, serviceKey } from "../shards/record-key.ts";
import type { MemberRecord } from "../shards/records.ts";
import { encodeRecord, parseRecord } from "../shards/records.ts";
import type { RawRecords } from "../shards/store.ts";
import type { SourceChange } from "../source.ts";
import type { ExportContent, ExportOptions } from "./export-records.ts";
import { exportOf } from "./export-records.ts";
import { dueAtMs, urgencyOf } from "./publish-rules.ts";
import { createWithdrawals } from "./withdrawals.ts";

/** What one signature covers. */
export interface Batch {
  readonly changed: RawRecords;
  readonly removed: readonly string[];
  readonly services: readonly ServiceId[];
}

/**
 * The shard that this member alone writes: what is true, what is published, and when the difference
 * goes out. Times are monotonic.
 */
export interface OwnShard {
  /** Takes over what the sources say now. */
  readonly stage: (change: SourceChange, nowMs: number) => void;
  /** The same where this is all that the sources have: what is not in it is withdrawn. */
  readonly stageAll: (services: readonly LocalService[], nowMs: number) => void;
  readonly stageMember: (record: MemberRecord, nowMs: number) => void;
  /** When the next batch is due; undefined: nothing waits. */
  readonly nextDueMs: () => number | undefined;
  /** Puts what is due into the content; undefined when nothing is. */
  readonly takeBatch: (nowMs: number) => Batch | undefined;
  /** The content as published; its digest belongs into the head. */
  readonly content: Buckets;
  /** Exports whose withdrawal is held because too many would vanish at once. */
  readonly held: () => readonly ServiceId[];
  /** When the first of them goes by itself; undefined: none is held. */
  readonly heldUntilMs: () => number | undefined;
  readonly confirmWithdrawals: (nowMs: number) => void;
}

interface Pending {
  readonly dueMs: number;
  /** Undefined: withdrawn. */
  readonly content: ExportContent | undefined;
}

/**
 * `base` is what an earlier life of this member published: what the sources no longer say is withdrawn
 * from it by the same rules as any other export.
 */
export function createOwnShard(options: {
  /** The charter may change it. */
  readonly exportOptions: () => ExportOptions;
  readonly base?: RawRecords;
}): OwnShard {
  const published = new Map<ServiceId, ExportContent>(exportsIn(options.base ?? new Map()));
  const content = createBuckets([...published.values()].flatMap((one) => [...one.encoded]));
  const publishedAtMs = new Map<ServiceId, number>();
  const pending = new Map<ServiceId, Pending>();
  const withdrawals = createWithdrawals();
  let pendingMember: { readonly bytes: Uint8Array; readonly dueMs: number } | undefined;

  const setPending = (id: ServiceId, next: ExportContent | undefined, nowMs: number): void => {
    const before = published.get(id);
    if (isSameContent(before, next)) return void pending.delete(id);
    const atMs = publishedAtMs.get(id) ?? Number.NEGATIVE_INFINITY;
    const dueMs = dueAtMs(urgencyOf(before, next), { nowMs, publishedAtMs: atMs });
    pending.set(id, { dueMs: Math.min(dueMs, pending.get(id)?.dueMs ?? dueMs), content: next });
  };
  const isLeaving = (id: ServiceId): boolean => {
    const next = pending.get(id);
    return next !== undefined && next.content === undefined;
  };
  const withdraw = (ids: readonly ServiceId[], nowMs: number): void => {
    // What is not published yet, or held, just stays as it is.
    for (const id of ids) if (!isLeaving(id)) pending.delete(id);
    const leaving = ids.filter((id) => published.has(id) && !isLeaving(id));
    if (leaving.length === 0) return;
    const exports = published.size - [...pending.keys()].filter(isLeaving).length;
    for (const id of withdrawals.ask(leaving, { nowMs, exports })) setPending(id, undefined, nowMs);
  };
  const withdrawNow = (ids: readonly ServiceId[], nowMs: number): void => {
    for (const id of ids) pending.set(id, { dueMs: nowMs, content: undefined });
  };

  const stage = (change: SourceChange, nowMs: number): void => {
    const how = options.exportOptions();
    const withdrawn = [...change.removed];
    for (const service of change.upserts) {
      const lastIdentities = published.get(service.id)?.record.identities ?? [];
      const content = exportOf(service, { ...how, lastIdentities });
      if (content === undefined) withdrawn.push(service.id);
      else {
        withdrawals.cancel(service.id);
        setPending(service.id, content, nowMs);
      }
    }
    withdraw(withdrawn, nowMs);
  };

  return {
    stage,
    stageAll: (services, nowMs) => {
      const present = new Set(services.map((service) => service.id));
      const removed = [...published.keys()].filter((id) => !present.has(id));
      stage({ upserts: services, removed }, nowMs);
    },
    stageMember: (record, nowMs) => {
      const bytes = encodeRecord(record);
      const isSame = isSameBytes(content.get(memberKey), bytes);
      pendingMember = isSame ? undefined : { bytes, dueMs: nowMs };
    },
    nextDueMs: () => {
      let nextMs = Math.min(
        pendingMember?.dueMs ?? Number.POSITIVE_INFINITY,
        withdrawals.nextReleaseMs() ?? Number.POSITIVE_INFINITY,
      );
      for (const one of pending.values()) nextMs = Math.min(nextMs, one.dueMs);
      return Number.isFinite(nextMs) ? nextMs : undefined;
    },
    takeBatch: (nowMs) => {
      withdrawNow(withdrawals.release(nowMs), nowMs);
      const changed = new Map<string, Uint8Array>();
      const removed: string[] = [];
      if (pendingMember !== undefined && pendingMember.dueMs <= nowMs) {
        changed.set(memberKey, pendingMember.bytes);
        pendingMember = undefined;
      }
      const services: ServiceId[] = [];
      for (const [id, next] of pending) {
        if (next.dueMs > nowMs) continue;
        addDifference({ before: published.get(id), after: next.content, changed, removed });
        pending.delete(id);
        services.push(id);
        if (next.content === undefined) {
          published.delete(id);
          publishedAtMs.delete(id);
        } else {
          published.set(id, next.content);
          publishedAtMs.set(id, nowMs);
        }
      }
      if (changed.size === 0 && removed.length === 0) return undefined;
      applyTo(content, { changed, removed });
      return { changed, removed, services };
    },
    content,
    held: withdrawals.held,
    heldUntilMs: withdrawals.nextReleaseMs,
    confirmWithdrawals: (nowMs) => withdrawNow(withdrawals.confirm(), nowMs),
  };
}

/** Changes records and, where the shard outgrew them, the number of buckets. */
function applyTo(
  content: Buckets,
  change: { readonly changed: RawRecords; readonly removed: readonly string[] },
): void {
  for (const [key, bytes] of change.changed) content.set(key, bytes);
  for (const key of change.removed) content.delete(key);
  // Never fewer: a shard at the edge would hash itself anew with every other change.
  content.resize(Math.max(content.count(), bucketsFor(content.size())));
}

function addDifference(step: {
  readonly before: ExportContent | undefined;
  readonly after: ExportContent | undefined;
  readonly changed: Map<string, Uint8Array>;
  readonly removed: string[];
}): void {
  const before: RawRecords = step.before?.encoded ?? new Map();
  const after: RawRecords = step.after?.encoded ?? new Map();
  for (const [key, bytes] of after) {
    if (!isSameBytes(before.get(key), bytes)) step.changed.set(key, bytes);
  }
  for (const key of before.keys()) {
    if (!after.has(key)) step.removed.push(key);
  }
}

function isSameContent(
  before: ExportContent | undefined,
  after: ExportContent | undefined,
): boolean {
  if (before === undefined || after === undefined) return before === after;
  if (before.encoded.size !== after.encoded.size) return false;
  return [...after.encoded].every(([key, bytes]) => isSameBytes(before.encoded.get(key), bytes));
}

function isSameBytes(left: Uint8Array | undefined, right: Uint8Array): boolean {
  return left !== undefined && Buffer.compare(left, right) === 0;
}

/** The exports of a shard as an earlier life wrote it. */
function* exportsIn(base: RawRecords): Generator<[ServiceId, ExportContent]> {
  const encoded = new Map<ServiceId, Map<string, Uint8Array>>();
  for (const [key, bytes] of base) {
    const about = parseRecordKey(key);
    if (about?.t !== "service" && about?.t !== "endpoints") continue;
    const records = encoded.get(about.id) ?? new Map<string, Uint8Array>();
    encoded.set(about.id, records.set(key, bytes));
  }
  for (const [id, records] of encoded) {
    const parsed = parseRecord(serviceKey(id), records.get(serviceKey(id)) ?? new Uint8Array());
    if (parsed.t !== "ok" || parsed.record.t !== "service") continue;
    // Which endpoints of an earlier life are still dialled does not matter: nothing waits for them.
    yield [id, { record: parsed.record, endpoints: [], encoded: records }];
  }
}
