import type { Charter, CharterMember } from "../../mesh/charter.ts";
import { charterMember } from "../../mesh/charter.ts";
import type { CheckClaim } from "../../mesh/claim.ts";
import type { MemberName } from "../../mesh/ids.ts";
import type { Log, VerifySignature } from "../../mesh/ports.ts";
import type { Finding } from "../../mesh/service.ts";
import type { Instant } from "../instant.ts";
import type { Lease } from "../members/member-state.ts";
import { verifyHead } from "../shards/head.ts";
import type { CatalogEvent } from "./catalog-event.ts";
import type { RemoteShard, ShardInput, ShardOutcome, ShardStatus } from "./remote-shard.ts";
import { createRemoteShard } from "./remote-shard.ts";

export interface MemberStatus extends ShardStatus {
  readonly member: MemberName;
  readonly lease: Lease;
  /** Since the last new beat, in ms; undefined before the first. */
  readonly ageMs: number | undefined;
  readonly services: number;
  /** Inputs that did not verify, did not fit or contradicted each other, since the start. */
  readonly refused: number;
}

/** The shards of all other members, as the charter names them. */
export interface ShardSet {
  /** Members that are not denied. */
  readonly members: () => readonly MemberName[];
  readonly get: (member: MemberName) => RemoteShard | undefined;
  readonly take: (member: MemberName, input: ShardInput, at: Instant) => ShardOutcome;
  /** Tells of leases that ran out or came back. */
  readonly tick: (at: Instant) => void;
  readonly setCharter: (charter: Charter, at: Instant) => void;
  readonly status: (at: Instant) => readonly MemberStatus[];
  readonly findings: () => readonly Finding[];
}

/** Beyond this an operator should look at the clock. */
const notableSkewMs = 30_000;

export function createShardSet(options: {
  readonly self: MemberName;
  readonly charter: Charter;
  readonly verify: VerifySignature;
  readonly checkClaim: CheckClaim;
  readonly log: Log;
  readonly onEvent: (event: CatalogEvent) => void;
}): ShardSet {
  const { onEvent, log, verify } = options;
  const shards = new Map<MemberName, RemoteShard>();
  const leases = new Map<MemberName, Lease>();
  const problems = new Map<MemberName, Finding>();
  const refused = new Map<MemberName, number>();
  let charter = options.charter;

  const admit = (member: MemberName): void => {
    const { mesh } = options.charter;
    const { checkClaim } = options;
    shards.set(member, createRemoteShard({ mesh, member, verify, checkClaim }));
  };
  const dismiss = (member: MemberName): void => {
    shards.delete(member);
    leases.delete(member);
    problems.delete(member);
    onEvent({ t: "gone", member });
  };
  const note = (member: MemberName, problem: ShardOutcome["problem"]): void => {
    if (problem === undefined) return;
    refused.set(member, (refused.get(member) ?? 0) + 1);
    const known = problems.get(member);
    problems.set(member, { ...problem, severity: "warning", subject: member });
    // A hub may send the same junk for ever.
    if (known?.code !== problem.code) log.warn({ member, ...problem }, "Refused catalog content");
  };
  const judgeLease = (shard: RemoteShard, at: Instant): void => {
    const { member } = shard;
    const lease = shard.lease.leaseAt(at.monotonicMs);
    if ((leases.get(member) ?? "lost") === lease) return;
    leases.set(member, lease);
    onEvent({ t: "lease", member, lease });
  };
  const isStillSigned = (shard: RemoteShard, at: Instant): boolean => {
    const copy = shard.copy();
    if (copy === undefined) return true;
    const { mesh } = charter;
    const { member } = shard;
    const { nowMs } = at;
    return verifyHead(copy.head, { mesh, member, verify, nowMs, allowExpired: true }).t === "ok";
  };

  for (const member of wantedIn(charter, options.self)) admit(member);
  return {
    members: () => [...shards.keys()],
    get: (member) => shards.get(member),
    take: (member, input, at) => {
      const shard = shards.get(member);
      // The charter changed while the answer was on its way.
      if (shard === undefined) return { isNewBeat: false, isBehind: false };
      const outcome = shard.take(input, at);
      note(member, outcome.problem);
      if (outcome.change !== undefined) {
        if (outcome.problem === undefined) problems.delete(member);
        onEvent({ t: "shard", member, change: outcome.change });
      }
      if (outcome.isNewBeat) judgeLease(shard, at);
      return outcome;
    },
    tick: (at) => {
      for (const shard of shards.values()) judgeLease(shard, at);
    },
    setCharter: (next, at) => {
      const before = charter;
      charter = next;
      const wanted = new Set(wantedIn(next, options.self));
      for (const member of shards.keys()) if (!wanted.has(member)) dismiss(member);
      const isSameBundle = before.bundle.join() === next.bundle.join();
      for (const member of wanted) {
        const shard = shards.get(member);
        const isSame = isSameEntry(charterMember(before, member), charterMember(next, member));
        if (shard === undefined) admit(member);
        else if (!(isSame && isSameBundle) && !isStillSigned(shard, at)) {
          dismiss(member);
          admit(member);
        } else if (!isSame) {
          onEvent({ t: "shard", member, change: shard.content.recheck() });
        }
      }
    },
    status: (at) =>
      [...shards.values()].map((shard) => {
        const status = shard.status();
        const heardAtMs = shard.lease.heardAtMs();
        return {
          ...status,
          member: shard.member,
          lease: shard.lease.leaseAt(at.monotonicMs),
          ageMs: heardAtMs === undefined ? undefined : at.monotonicMs - heardAtMs,
          services: [...shard.content.services()].length,
          refused: refused.get(shard.member) ?? 0,
        };
      }),
    findings: () => [
      ...problems.values(),
      ...[...shards.values()].flatMap((shard) => [...shard.findings(), ...skewOf(shard)]),
    ],
  };
}

function wantedIn(charter: Charter, self: MemberName): readonly MemberName[] {
  return charter.members
    .filter((one) => one.name !== self && one.state !== "denied")
    .map((one) => one.name);
}

function isSameEntry(left: CharterMember | undefined, right: CharterMember | undefined): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

function skewOf(shard: RemoteShard): readonly Finding[] {
  const { skewMs } = shard.status();
  if (skewMs === undefined || Math.abs(skewMs) <= notableSkewMs) return [];
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  const message = `its clock is ${seconds} s ${skewMs > 0 ? "ahead of" : "behind"} the one here; look after NTP there and here`;
  return [{ code: "CATALOG_CLOCK_SKEW", severity: "warning", subject: shard.member, message }];
}
