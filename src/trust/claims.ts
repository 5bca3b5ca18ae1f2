import type { IpRange } from "../mesh/address.ts";
import { isInRange, isIp, isRoutable, parseIpRange } from "../mesh/address.ts";
import type { Charter, CharterMember } from "../mesh/charter.ts";
import { charterMember } from "../mesh/charter.ts";
import type { Claim, ClaimVerdict } from "../mesh/claim.ts";
import type { MemberName, Namespace, SpiffeId } from "../mesh/ids.ts";
import { spiffePartsOf, trustDomainOf } from "../mesh/ids.ts";

/**
 * Whether a member's records may say this. What a member may claim comes from the charter, never from
 * the member.
 */
export function judgeClaim(
  charter: Charter,
  entry: { readonly member: MemberName; readonly claim: Claim },
): ClaimVerdict {
  const { claim } = entry;
  const member = charterMember(charter, entry.member);
  if (member === undefined) return dropped("the charter does not have this member");
  if (member.state === "denied") return dropped("the charter denies this member");
  switch (claim.t) {
    case "export":
      return mayExport(member, claim.namespace)
        ? ok
        : dropped(`namespace "${claim.namespace}" is not this member's to export`);
    case "identity":
      return isOwnIdentity(charter, { member: member.name, id: claim.id })
        ? ok
        : dropped(`"${claim.id}" is outside this member's trust domain`);
    case "address":
      return mayUseAddress(member, claim.address)
        ? ok
        : dropped(`address "${claim.address}" is outside this member's ranges`);
  }
}

function mayExport(member: CharterMember, namespace: Namespace): boolean {
  return member.mayExport.some((allowed) => allowed === "*" || allowed === namespace);
}

/** A workload's identity: the mesh's own roles serve no service. */
function isOwnIdentity(
  charter: Charter,
  entry: { readonly member: MemberName; readonly id: SpiffeId },
): boolean {
  const { trustDomain, path } = spiffePartsOf(entry.id);
  return trustDomain === trustDomainOf(entry.member, charter.mesh) && path.startsWith("/ns/");
}

/** No ranges in the charter: anything but loopback, link-local and multicast. */
function mayUseAddress(member: CharterMember, address: string): boolean {
  if (member.gatewayRanges.length === 0) return isRoutable(address);
  return isIp(address) && rangesOf(member).some((range) => isInRange(address, range));
}

// A shard names thousands of addresses; its ranges are read once.
const rangesByMember = new WeakMap<CharterMember, readonly IpRange[]>();

function rangesOf(member: CharterMember): readonly IpRange[] {
  const known = rangesByMember.get(member);
  if (known !== undefined) return known;
  const ranges = member.gatewayRanges.map(parseIpRange);
  rangesByMember.set(member, ranges);
  return ranges;
}

const ok: ClaimVerdict = { t: "ok" };

function dropped(reason: string): ClaimVerdict {
  return { t: "dropped", reason };
}
