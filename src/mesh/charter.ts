import type { FederatedDomain } from "./federation.ts";
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
  /**
   * When the last of all issuers that it ever had ends; epoch milliseconds. Absent: an older signer did not
   * write it down.
   */
  readonly issuersEndMs?: number;
  /** Number of the charter that took a denial back. Absent: it was never denied, or still is. */
  readonly readmitted?: number;
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
  /** Present while the step is not idle. */
  readonly rotation?: RootRotation;
  /** How a reader that knows an earlier root alone gets to the present one; oldest first. */
  readonly succession?: readonly Succession[];
  /** Trust domains outside of the mesh whose identities are believed; absent: none. */
  readonly federated?: readonly FederatedDomain[];
  /** What the root's owner knowingly let pass; absent: nothing. */
  readonly exceptions?: readonly CharterException[];
  /** SPIFFE IDs that may start drills. */
  readonly operators: readonly string[];
  readonly timeMs: number;
}

/** A root without name constraints: its owner could certify issuers for every member, and for others. */
export interface CharterException {
  readonly t: "unconstrained-root";
  /** Of the root's certificate, hex. */
  readonly sha256: string;
  readonly reason: string;
  readonly timeMs: number;
}

/** What is under way from one root to another. Roots are named by the SHA-256 (hex) of their SubjectPublicKeyInfo. */
export interface RootRotation {
  /** The root that will go. */
  readonly from: string;
  /** The root that will stay. */
  readonly to: string;
  /**
   * The key of `to` certified by `from`, DER in base64: with it, whoever trusts `from` alone accepts what `to`
   * signs. Absent when a rotation is being undone: then `to` is what everybody trusts already.
   */
  readonly cross?: string;
  readonly startedMs: number;
  /** Members whose acknowledgement an operator did not want to wait for. */
  readonly waived: readonly MemberName[];
}

/** One root says of another that it takes its place. */
export interface Succession {
  /** The new root, DER in base64. */
  readonly root: string;
  /** The root that says so. */
  readonly by: string;
  /** Base64. */
  readonly signature: string;
  /** The new root's key certified by that root, DER in base64: for callers that have no charter. */
  readonly cross?: string;
  /**
   * That root itself, DER in base64: certificates of issuers that the charter lists are judged by it, for members
   * that were away. Absent after an emergency: its key may be in other hands.
   */
  readonly retired?: string;
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
