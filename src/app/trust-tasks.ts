import { parseIpRange } from "../mesh/address.ts";
import {
  parseMemberName,
  parseMeshDomain,
  parseNamespace,
  parseNetworkName,
  parseServiceId,
} from "../mesh/ids.ts";
import type { MemberClaims } from "../trust/charter-edit.ts";
import { describeFiles, type FileDescription } from "../trust/io/describe-files.ts";
import {
  type Issued,
  type IssuedMember,
  type IssuedSvid,
  initTrust,
  issueGateway,
  issueMember,
  issueWorkload,
} from "../trust/io/trust-files.ts";

/** What an operator types of what a member may claim; words are judged here. */
export interface MemberClaimWords {
  readonly name: string;
  readonly cloud: string | undefined;
  readonly region: string | undefined;
  readonly network: string | undefined;
  readonly gatewayRanges: readonly string[];
  readonly mayExport: readonly string[];
}

/** What an operator types of a new member. */
export interface MemberWords extends MemberClaimWords {
  readonly dir: string;
  readonly out: string;
  readonly renew: boolean;
}

/** Throws MESH_ID_INVALID and as `initTrust`. */
export function makeRoot(words: { readonly mesh: string; readonly dir: string }): Promise<Issued> {
  return initTrust({ dir: words.dir, mesh: parseMeshDomain(words.mesh), nowMs: Date.now() });
}

/** Throws MESH_ID_INVALID, MESH_ADDRESS_INVALID and as `issueMember`. */
export function makeMember(words: MemberWords): Promise<IssuedMember> {
  const { dir, out, renew } = words;
  return issueMember({ dir, out, claims: memberClaims(words), renew, nowMs: Date.now() });
}

/** Throws MESH_ID_INVALID and MESH_ADDRESS_INVALID. */
export function memberClaims(words: MemberClaimWords): MemberClaims {
  const name = parseMemberName(words.name);
  for (const range of words.gatewayRanges) parseIpRange(range);
  for (const namespace of words.mayExport) if (namespace !== "*") parseNamespace(namespace);
  return {
    name,
    cloud: words.cloud ?? "onprem",
    // Two members whose regions nobody named are not near each other.
    region: words.region ?? name,
    network: parseNetworkName(words.network ?? name),
    gatewayRanges: words.gatewayRanges,
    mayExport: words.mayExport,
  };
}

/** Throws as `issueGateway`. */
export function makeGateway(words: {
  readonly dir: string;
  readonly out: string;
}): Promise<IssuedSvid> {
  return issueGateway({ ...words, nowMs: Date.now() });
}

/** `account` is `namespace/serviceAccount`. */
export function makeWorkload(words: {
  readonly account: string;
  readonly dir: string;
  readonly out: string;
}): Promise<IssuedSvid> {
  const [namespace = "", serviceAccount = ""] = parseServiceId(words.account).split("/");
  const { dir, out } = words;
  return issueWorkload({ dir, out, account: { namespace, serviceAccount }, nowMs: Date.now() });
}

/** Throws as `describeFiles`. */
export function describeTrust(paths: readonly string[]): Promise<readonly FileDescription[]> {
  return describeFiles(paths);
}
