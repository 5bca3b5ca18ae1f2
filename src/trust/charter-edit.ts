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
export type MemberClaims = Omit<CharterMember, "issuers" | "state">;

/**
 * Adds a member, or with `renew` replaces what is known of one and adds the issuer to those it has:
 * the old issuer's identities are still in use. Throws MESH_TRUST_ISSUE_REFUSED.
 */
export function withMember(
  charter: Charter,
  entry: {
    readonly claims: MemberClaims;
    readonly issuerSpkiSha256: string;
    readonly renew: boolean;
    readonly nowMs: number;
  },
): Charter {
  const { name } = entry.claims;
  const old = charterMember(charter, name);
  if (old?.state === "denied") return refuseMember(name, "the charter denies it");
  if (old !== undefined && !entry.renew) {
    return refuseMember(name, "the charter has it already; two members never share a name");
  }
  if (old === undefined && entry.renew) {
    return refuseMember(name, "the charter does not have it, so nothing can be renewed");
  }
  const issuers = [...(old?.issuers ?? []), entry.issuerSpkiSha256].slice(-maxIssuers);
  const member: CharterMember = { ...entry.claims, issuers, state: old?.state ?? "active" };
  const others = charter.members.filter((one) => one.name !== name);
  return raised(charter, { members: [...others, member], nowMs: entry.nowMs });
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
