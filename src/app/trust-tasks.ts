import { resolve } from "node:path";
import { parseIpRange } from "../mesh/address.ts";
import { MeshError } from "../mesh/errors.ts";
import {
  parseMemberName,
  parseMeshDomain,
  parseNamespace,
  parseNetworkName,
  parseServiceId,
} from "../mesh/ids.ts";
import type { MemberClaims } from "../trust/charter-edit.ts";
import { describeFiles, type FileDescription } from "../trust/io/describe-files.ts";
import type { Pkcs11Place } from "../trust/io/pkcs11/token.ts";
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
export function makeRoot(words: {
  readonly mesh: string;
  readonly dir: string;
  /** A PKCS#11 token; absent: the root's key is a file. */
  readonly token?: TokenWords;
}): Promise<Issued> {
  const { dir, token } = words;
  const mesh = parseMeshDomain(words.mesh);
  return initTrust({
    dir,
    mesh,
    ...(token === undefined ? {} : { token: tokenPlace(token) }),
    nowMs: Date.now(),
  });
}

/** Where an operator says that the root's key is; paths as typed. */
export interface TokenWords {
  readonly module: string;
  readonly token: string;
  readonly key: string;
  readonly pinFile: string | undefined;
}

function tokenPlace({ pinFile, module, ...labels }: TokenWords): Pkcs11Place {
  if (pinFile === undefined)
    throw new MeshError("MESH_USAGE", "Cannot use token: --pin-file is missing");
  return { ...labels, module: resolve(module), pinFile: resolve(pinFile) };
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
