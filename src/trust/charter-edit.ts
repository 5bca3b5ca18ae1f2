import type { Charter, CharterMember, MemberStanding } from "../mesh/charter.ts";
import { charterMember } from "../mesh/charter.ts";
import { MeshError } from "../mesh/errors.ts";
import type { MemberName, MeshDomain } from "../mesh/ids.ts";
import type { Bundle } from "./bundle.ts";
import { maxIssuers } from "./charter-codec.ts";

/** The charter that a new mesh begins with: a root and nobody yet. */
export function firstCharter(options: {
  readonly mesh: MeshDomain;
  readonly bundle: Bundle;
  readonly nowMs: number;
}): Charter {
  return {
    schema: 1,
    mesh: options.mesh,
    number: 1,
    members: [],
    bundle: options.bundle.roots.map((root) => root.der.toString("base64")),
    rotationStep: "idle",
    operators: [],
    timeMs: options.nowMs,
  };
}

/** What an operator says of a member; the rest of its entry follows from issuing. */
export type MemberClaims = Omit<CharterMember, "issuers" | "state" | "issuersEndMs" | "readmitted">;

/**
 * Adds a member, or with `renew` replaces what is known of one and adds the issuer to those it has:
 * the old issuer's identities are still in use. The name of a denied member is free when its last issuer has
 * ended: proxies judge by names alone, and would take what that issuer still signs.
 * Throws MESH_TRUST_ISSUE_REFUSED.
 */
export function withMember(
  charter: Charter,
  entry: {
    readonly claims: MemberClaims;
    readonly issuerSpkiSha256: string;
    /** Of the issuer's certificate; epoch milliseconds. */
    readonly issuerEndsMs: number;
    readonly renew: boolean;
    readonly nowMs: number;
  },
): Charter {
  const { name } = entry.claims;
  const known = charterMember(charter, name);
  if (known?.state === "denied") checkReuse(known, entry.nowMs);
  const old = known?.state === "denied" ? undefined : known;
  if (old !== undefined && !entry.renew) {
    return refuseMember(name, "the charter has it already; two members never share a name");
  }
  if (old === undefined && entry.renew) {
    return refuseMember(name, "the charter does not have it, so nothing can be renewed");
  }
  const issuers = [...(old?.issuers ?? []), entry.issuerSpkiSha256].slice(-maxIssuers);
  const state = old?.state ?? "active";
  // Of issuers from before this was written down nobody knows the end.
  const isEndKnown = old === undefined || old.issuersEndMs !== undefined;
  const issuersEndMs = Math.max(old?.issuersEndMs ?? 0, entry.issuerEndsMs);
  const ends = isEndKnown ? { issuersEndMs } : {};
  const back = old?.readmitted === undefined ? {} : { readmitted: old.readmitted };
  const member: CharterMember = { ...entry.claims, issuers, state, ...ends, ...back };
  const others = charter.members.filter((one) => one.name !== name);
  return raised(charter, { members: [...others, member], nowMs: entry.nowMs });
}

function checkReuse({ name, issuersEndMs }: CharterMember, nowMs: number): void {
  if (issuersEndMs === undefined) {
    refuseMember(name, "the charter denies it, and does not say when its issuers end");
  }
  if (issuersEndMs < nowMs) return;
  const day = new Date(issuersEndMs).toISOString();
  refuseMember(name, `the charter denies it; its name is free when its issuers end, on ${day}`);
}

/** Throws MESH_NOT_FOUND. */
export function withStanding(
  charter: Charter,
  entry: { readonly name: MemberName; readonly state: MemberStanding; readonly nowMs: number },
): Charter {
  if (charterMember(charter, entry.name) === undefined) {
    throw new MeshError("MESH_NOT_FOUND", `Cannot find member "${entry.name}" in the charter`);
  }
  const members = charter.members.map((member) =>
    member.name === entry.name ? { ...member, state: entry.state } : member,
  );
  return raised(charter, { members, nowMs: entry.nowMs });
}

/**
 * Takes a denial back: the member's issuers count again. Its entry says from which charter on, so that nobody
 * takes this for a charter whose maker had not heard of the denial. Throws MESH_NOT_FOUND.
 */
export function withoutDenial(
  charter: Charter,
  { name, nowMs }: { readonly name: MemberName; readonly nowMs: number },
): Charter {
  const active = withStanding(charter, { name, state: "active", nowMs });
  const members = active.members.map((member) =>
    member.name === name ? { ...member, readmitted: active.number } : member,
  );
  return { ...active, members };
}

function raised(
  charter: Charter,
  change: { readonly members: readonly CharterMember[]; readonly nowMs: number },
): Charter {
  const { members, nowMs } = change;
  return { ...charter, members, number: charter.number + 1, timeMs: nowMs };
}

function refuseMember(name: MemberName, truth: string): never {
  throw new MeshError("MESH_TRUST_ISSUE_REFUSED", `Cannot issue member "${name}": ${truth}`);
}
