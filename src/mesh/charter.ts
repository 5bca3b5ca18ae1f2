import type { MemberName, MeshDomain, NetworkName } from "./ids.ts";

/** `denied` is cut off at once by everybody who has that charter. */
export type MemberStanding = "active" | "leaving" | "denied";

/** What one member is and may claim. Its own records never widen it. */
export interface CharterMember {
  readonly name: MemberName;
  readonly cloud: string;
  readonly region: string;
  readonly network: NetworkName;
  /** CIDR ranges its gateway and endpoint addresses must lie in; empty: anything routable. */
  readonly gatewayRanges: readonly string[];
  /** Namespaces it may export; `*` is all. */
  readonly mayExport: readonly string[];
  /** SHA-256 (hex) of the SubjectPublicKeyInfo of each intermediate that may sign for it. */
  readonly issuers: readonly string[];
  readonly state: MemberStanding;
}

/** The root-signed, numbered document that says who the members are. Higher numbers replace lower ones. */
export interface Charter {
  readonly schema: 1;
  readonly mesh: MeshDomain;
  readonly number: number;
  readonly members: readonly CharterMember[];
  /** Trusted roots, DER in base64. */
  readonly bundle: readonly string[];
  readonly rotationStep:
    | "idle"
    | "prepared"
    | "publishing"
    | "activating"
    | "draining"
    | "retiring";
  /** SPIFFE IDs that may start drills. */
  readonly operators: readonly string[];
  readonly timeMs: number;
}

/** As stored in files and hubs: the signature covers the exact bytes, so they travel unparsed. */
export interface SignedCharter {
  /** UTF-8 JSON of a Charter. */
  readonly bytes: Uint8Array;
  readonly signature: Uint8Array;
  /** SHA-256 (hex) of the signing root's SubjectPublicKeyInfo. */
  readonly signer: string;
}

/** The entry of a member, whatever its standing; undefined when the charter does not name it. */
export function charterMember(charter: Charter, name: MemberName): CharterMember | undefined {
  return byName(charter.members).get(name);
}

type Members = Charter["members"];
type ByName = ReadonlyMap<MemberName, CharterMember>;

// Asked for each member of each service that is put together: looking through all of them would make that
// cost their square.
const indexes = new WeakMap<Members, ByName>();

function byName(members: Members): ByName {
  const known = indexes.get(members);
  if (known !== undefined) return known;
  // As a search from the front would find them.
  const index = new Map(members.toReversed().map((member) => [member.name, member]));
  indexes.set(members, index);
  return index;
}
