import { isInRange, parseIpRange } from "../../mesh/address.ts";
import { type ErrorCode, MeshError } from "../../mesh/errors.ts";
import type { MemberName, ServiceId } from "../../mesh/ids.ts";
import type { MemberClaims } from "../charter-edit.ts";
import { isSameHash, type JoinToken, secretHash } from "./join-token.ts";

/** What a token buys. */
export type JoinGrant =
  | { readonly t: "member"; readonly claims: MemberClaims }
  | {
      readonly t: "vm";
      /** `namespace/name` of the WorkloadGroup whose identity it gives. */
      readonly group: ServiceId;
      /** The group may back no other services; empty: whichever it backs. */
      readonly services: readonly ServiceId[];
    };

/** What is kept of a token: all but its secret. */
export interface JoinTokenRecord {
  /** 16 hex digits. */
  readonly id: string;
  /** Hex. */
  readonly secretSha256: string;
  readonly grant: JoinGrant;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** How many keys it certifies. */
  readonly uses: number;
  /** CIDR ranges it may be shown from; empty: anywhere. */
  readonly from: readonly string[];
}

/** One key that a token certified. */
export interface JoinTokenUse {
  readonly atMs: number;
  /** As the agent saw it, without the port. */
  readonly address: string;
  /** SHA-256 (hex) of the key's SubjectPublicKeyInfo. */
  readonly keySha256: string;
}

/** All that is known of one token. */
export interface StoredToken {
  readonly record: JoinTokenRecord;
  /** Absent: nobody took it back. */
  readonly revokedAtMs?: number;
  readonly uses: readonly JoinTokenUse[];
}

/** What whoever shows a token wants of it. */
export type JoinWish =
  /** The group that a VM takes itself for; undefined: whichever the token says. */
  | { readonly t: "vm"; readonly group: string | undefined }
  | { readonly t: "member"; readonly name: string | undefined };

/** What a WorkloadGroup says of the VMs in it. */
export type GroupAccount =
  | {
      readonly t: "found";
      readonly namespace: string;
      readonly serviceAccount: string;
      /** That its VMs back. */
      readonly services: readonly ServiceId[];
    }
  | { readonly t: "absent" }
  /** The sources have not been read yet. */
  | { readonly t: "unknown" };

/** Looks into the sources of this member. */
export type FindGroup = (group: ServiceId) => GroupAccount;

// Whoever makes a token and whoever judges it are on one machine: more is a clock that was set back.
const skewMs = 60_000;

/**
 * Judges all of a token but whether it is used up, which only taking a use tells. Throws one of
 * MESH_JOIN_TOKEN_{UNKNOWN,REVOKED,EARLY,EXPIRED,ADDRESS,SUBJECT}.
 */
export function checkJoinToken(
  record: JoinTokenRecord,
  shown: {
    readonly token: JoinToken;
    readonly isRevoked: boolean;
    /** IP literal. */
    readonly address: string;
    readonly wish: JoinWish;
    readonly nowMs: number;
  },
): void {
  const { token, nowMs, address } = shown;
  // Whoever knows the id alone learns nothing of the token.
  if (!isSameHash(record.secretSha256, secretHash(token))) throw unknownToken(token.id);
  if (shown.isRevoked) throw refusal(record, "REVOKED", "somebody took it back");
  if (nowMs < record.createdAtMs - skewMs) {
    throw refusal(record, "EARLY", "it was made in the future: compare the clocks");
  }
  if (nowMs >= record.expiresAtMs) {
    const when = new Date(record.expiresAtMs).toISOString();
    throw refusal(record, "EXPIRED", `its time ran out at ${when}`);
  }
  if (!isFrom(record.from, address)) {
    throw refusal(record, "ADDRESS", `it is shown from ${address}, outside of its ranges`);
  }
  const wrong = otherThan(record.grant, shown.wish);
  if (wrong !== undefined) throw refusal(record, "SUBJECT", wrong);
}

/** Whether a group is what a VM's token was made for. Throws MESH_JOIN_TOKEN_{SUBJECT,UNPROVEN}. */
export function checkGroup(
  record: Pick<JoinTokenRecord, "id">,
  bound: {
    readonly grant: Extract<JoinGrant, { readonly t: "vm" }>;
    readonly account: GroupAccount;
  },
): Extract<GroupAccount, { readonly t: "found" }> {
  const { grant, account } = bound;
  switch (account.t) {
    case "unknown":
      throw refusal(record, "UNPROVEN", "the agent has not read its WorkloadGroups yet");
    case "absent":
      throw refusal(
        record,
        "SUBJECT",
        `this agent's sources have no WorkloadGroup "${grant.group}"`,
      );
    case "found": {
      if (grant.services.length === 0) return account;
      const more = account.services.filter((service) => !grant.services.includes(service));
      if (more.length === 0) return account;
      const listed = more.map((service) => `"${service}"`).join(", ");
      throw refusal(record, "SUBJECT", `its group "${grant.group}" backs ${listed}, too`);
    }
  }
}

export function unknownToken(id: string): MeshError {
  return refusal({ id }, "UNKNOWN", "this agent made no such token");
}

type Reason =
  Extract<ErrorCode, `MESH_JOIN_TOKEN_${string}`> extends `MESH_JOIN_TOKEN_${infer R}` ? R : never;

/** The id is no secret, and tells an operator which of many it is. */
export function refusal(
  { id }: Pick<JoinTokenRecord, "id">,
  reason: Reason,
  truth: string,
  cause?: unknown,
): MeshError {
  const message = `Cannot accept join token ${id}: ${truth}`;
  return new MeshError(`MESH_JOIN_TOKEN_${reason}`, message, { cause });
}

function isFrom(ranges: readonly string[], address: string): boolean {
  return ranges.length === 0 || ranges.some((range) => isInRange(address, parseIpRange(range)));
}

function otherThan(grant: JoinGrant, wish: JoinWish): string | undefined {
  if (grant.t !== wish.t) {
    return grant.t === "vm"
      ? `it is for a VM of group "${grant.group}", not for a member`
      : `it is for member "${grant.claims.name}", not for a VM`;
  }
  const bound: MemberName | ServiceId = grant.t === "vm" ? grant.group : grant.claims.name;
  const wanted = wish.t === "vm" ? wish.group : wish.name;
  if (wanted === undefined || wanted === bound) return undefined;
  const what = grant.t === "vm" ? "group" : "member";
  return `it is for ${what} "${bound}", not for ${JSON.stringify(wanted.slice(0, 130))}`;
}
