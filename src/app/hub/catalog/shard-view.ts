import { hash } from "node:crypto";
import { createRemoteShard } from "../../../discovery/follow/remote-shard.ts";
import { createBuckets } from "../../../discovery/shards/buckets.ts";
import { type Head, peekHead } from "../../../discovery/shards/head.ts";
import { parseRecordKey } from "../../../discovery/shards/record-key.ts";
import type { RawRecords, ShardSnapshot } from "../../../discovery/shards/store.ts";
import type { CheckClaim } from "../../../mesh/claim.ts";
import type { MemberName, MeshDomain } from "../../../mesh/ids.ts";
import type { VerifySignature } from "../../../mesh/ports.ts";
import { visible } from "../../../mesh/visible.ts";
import { parseCertificate } from "../../../trust/certificate.ts";
import type { HubFinding } from "../hub-finding.ts";
import { catalogFinding } from "./catalog-finding.ts";

/** `fits`: every agent takes it over as it is. `partly`: it verifies, some of its claims are dropped. */
export type ShardState = "fits" | "partly" | "refused" | "unfit" | "absent";

/** What one hub holds of one member, and what an agent makes of it. */
export interface ShardView {
  readonly member: MemberName;
  readonly state: ShardState;
  /** As stated; believed by nobody before it verifies. */
  readonly head: Head | undefined;
  /** Of its last beat, by the writer's clock and ours. */
  readonly ageMs: number | undefined;
  /** SHA-256 (hex) of the certificate beside the head, and when that ends. */
  readonly signer: { readonly sha256: string; readonly endsAtMs: number | undefined } | undefined;
  readonly records: number;
  readonly bytes: number;
  /** Undefined where there is no head to compare with. */
  readonly isDigestFit: boolean | undefined;
  readonly findings: readonly HubFinding[];
}

/** How a shard is judged; the same ports that an agent has. */
export interface ShardJudge {
  readonly mesh: MeshDomain;
  readonly verify: VerifySignature;
  readonly checkClaim: CheckClaim;
  readonly nowMs: number;
}

// One bad shard must not fill the screen with a hundred thousand lines.
const maxFindingsPerShard = 50;
// What agents grant a cold start: lease + 60 s.
const leaseSlackMs = 60_000;
const maxSkewMs = 30_000;

/** Feeds the snapshot to the very code that follows shards in an agent. */
export function viewShard(
  member: MemberName,
  read: { readonly hub: string; readonly snapshot: Omit<ShardSnapshot, "cursor"> | undefined },
  judge: ShardJudge,
): ShardView {
  const { hub, snapshot } = read;
  if (snapshot === undefined) return absentView(member);
  const shard = createRemoteShard({ ...judge, member });
  const outcome = shard.take({ t: "snapshot", snapshot }, { nowMs: judge.nowMs, monotonicMs: 0 });
  const head = peekHead(snapshot.head.bytes);
  const note = notes(hub, member);
  const findings: HubFinding[] = [];
  if (outcome.problem !== undefined) {
    findings.push(note(outcome.problem.code, "error", outcome.problem.message));
    findings.push(...strangeKeys(snapshot.records, note));
  }
  const claims = shard.findings();
  for (const { code, subject, message } of claims) {
    const severity = code === "CATALOG_RECORD_NEWER" ? "warning" : "error";
    findings.push(catalogFinding(code, severity, { subject: `${hub} ${subject}`, message }));
  }
  if (outcome.problem === undefined && head !== undefined) {
    if (shard.status().isSignerExpired) {
      findings.push(
        note("CATALOG_SIGNER_EXPIRED", "warning", "the certificate that signed it has ended"),
      );
    }
    findings.push(...timeFindings(head, { nowMs: judge.nowMs, note }));
  }
  const [leaf] = snapshot.head.signature.chain;
  return {
    member,
    state: stateOf(outcome.problem?.code, claims.length),
    head,
    ageMs: head && judge.nowMs - head.timeMs,
    signer: leaf && { sha256: hash("sha256", leaf, "hex"), endsAtMs: endOf(leaf) },
    records: snapshot.records.size,
    bytes: bytesOf(snapshot.records),
    isDigestFit: head && digestOf(snapshot.records, head) === head.digest,
    findings: bounded(findings, note),
  };
}

type NoteShard = (code: string, severity: HubFinding["severity"], message: string) => HubFinding;

function notes(hub: string, member: MemberName): NoteShard {
  return (code, severity, message) =>
    catalogFinding(code, severity, { subject: `${hub} ${member}`, message });
}

function absentView(member: MemberName): ShardView {
  return {
    member,
    state: "absent",
    head: undefined,
    ageMs: undefined,
    signer: undefined,
    records: 0,
    bytes: 0,
    isDigestFit: undefined,
    findings: [],
  };
}

function stateOf(problem: string | undefined, claims: number): ShardState {
  if (problem === "CATALOG_HEAD_REFUSED") return "refused";
  if (problem !== undefined) return "unfit";
  return claims > 0 ? "partly" : "fits";
}

function strangeKeys(records: RawRecords, note: NoteShard): readonly HubFinding[] {
  const strange = [...records.keys()].filter((key) => parseRecordKey(key) === undefined);
  return strange
    .slice(0, maxFindingsPerShard)
    .map((key) =>
      note(
        "CATALOG_RECORD_REFUSED",
        "error",
        `record "${visible(key, 80)}": its key is not one of ours`,
      ),
    );
}

function timeFindings(
  head: Head,
  at: { readonly nowMs: number; readonly note: NoteShard },
): readonly HubFinding[] {
  const ageMs = at.nowMs - head.timeMs;
  if (ageMs < -maxSkewMs) {
    const seconds = Math.round(-ageMs / 1000);
    return [
      at.note("CATALOG_CLOCK_SKEW", "warning", `its clock is ${seconds} s ahead of the one here`),
    ];
  }
  if (ageMs <= head.leaseMs + leaseSlackMs) return [];
  const seconds = Math.round(ageMs / 1000);
  return [at.note("CATALOG_LEASE_LOST", "warning", `its last beat here is ${seconds} s old`)];
}

function digestOf(records: RawRecords, head: Head): string {
  const buckets = createBuckets(records);
  buckets.resize(head.buckets);
  return buckets.digest();
}

function bytesOf(records: RawRecords): number {
  let bytes = 0;
  for (const [key, record] of records) bytes += key.length + record.length;
  return bytes;
}

function endOf(leaf: Uint8Array): number | undefined {
  try {
    return parseCertificate(leaf).notAfterMs;
  } catch {
    // Whoever wrote it: the verdict over the head says what is wrong.
    return undefined;
  }
}

function bounded(findings: readonly HubFinding[], note: NoteShard): readonly HubFinding[] {
  if (findings.length <= maxFindingsPerShard) return findings;
  const more = findings.length - maxFindingsPerShard;
  return [
    ...findings.slice(0, maxFindingsPerShard),
    note("CATALOG_RECORD_REFUSED", "error", `and ${more} more like these`),
  ];
}
