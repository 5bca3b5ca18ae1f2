import { verify } from "node:crypto";
import type { SpiffeId } from "../mesh/ids.ts";
import { spiffePartsOf } from "../mesh/ids.ts";
import type { Certificate } from "./certificate.ts";
import { constraintBroken } from "./name-constraints.ts";
import { issuerBroken, judgeLeaf } from "./svid-rules.ts";

/** A chain that holds: leaf, issuers, and the trusted root it ends in. */
export interface Path {
  readonly id: SpiffeId;
  readonly leaf: Certificate;
  /** Whose key signed the leaf. */
  readonly issuer: Certificate;
  readonly certificates: readonly Certificate[];
}

export type PathVerdict =
  | { readonly t: "ok"; readonly path: Path }
  | { readonly t: "refused"; readonly reason: string };

// Counted in signature checks, the one costly step: counting anything else let crafted chains of
// cross-certificates take seconds.
const maxSignatureChecks = 64;
const maxIssuers = 6;

interface Search {
  readonly leaf: Certificate;
  readonly id: SpiffeId;
  readonly roots: readonly Certificate[];
  readonly pool: readonly Certificate[];
  readonly atMs: number;
  readonly needsBoundIssuer: boolean;
  checksLeft: number;
  /** Why the first candidate failed; later ones are detours. */
  reason: string | undefined;
}

/**
 * Finds a path from the leaf (first) over the other certificates to a root, by RFC 5280 section 6 and
 * the SPIFFE rules. At least one issuer must be bound to URI hosts: a single unbound intermediate
 * under a shared root could speak for every member.
 */
export function verifyPath(
  chain: readonly Certificate[],
  options: {
    readonly roots: readonly Certificate[];
    readonly atMs: number;
    /** False where the roots speak for one trust domain alone. Default true. */
    readonly needsBoundIssuer?: boolean;
  },
): PathVerdict {
  const [leaf, ...pool] = chain;
  if (leaf === undefined) return refused("the chain is empty");
  const verdict = judgeLeaf(leaf);
  if (verdict.t === "refused") return verdict;
  const late = timeBroken(leaf, options.atMs);
  if (late !== undefined) return refused(late);
  const search: Search = {
    leaf,
    id: verdict.id,
    pool,
    roots: options.roots,
    atMs: options.atMs,
    needsBoundIssuer: options.needsBoundIssuer ?? true,
    checksLeft: maxSignatureChecks,
    reason: undefined,
  };
  const certificates = climb(search, [leaf]);
  const issuer = certificates?.[1];
  if (certificates === undefined || issuer === undefined) {
    return refused(search.reason ?? "no trusted root signed it");
  }
  return { t: "ok", path: { id: verdict.id, leaf, issuer, certificates } };
}

/** Depth first: roots before intermediates, so that the shortest path is found where one exists. */
function climb(
  search: Search,
  below: readonly [Certificate, ...Certificate[]],
): readonly Certificate[] | undefined {
  const subject = below.at(-1) ?? below[0];
  for (const candidate of candidatesFor(search, below, subject)) {
    const reason = linkBroken(search, candidate, below);
    if (reason !== undefined) {
      search.reason ??= reason;
      continue;
    }
    if (search.roots.includes(candidate)) {
      const path = [...below, candidate];
      if (!search.needsBoundIssuer || path.some(isBoundToHosts)) return path;
      search.reason ??= "no issuer is bound to its trust domain by name constraints";
      continue;
    }
    const path = climb(search, [...below, candidate]);
    if (path !== undefined) return path;
  }
  return undefined;
}

function candidatesFor(
  search: Search,
  below: readonly Certificate[],
  subject: Certificate,
): readonly Certificate[] {
  if (below.length > maxIssuers) return [];
  const isCandidate = (ca: Certificate): boolean =>
    ca.subject === subject.issuer && hasKeyIdOf(ca, subject) && !isRepeated(ca, below);
  return [...search.roots.filter(isCandidate), ...search.pool.filter(isCandidate)];
}

function hasKeyIdOf(ca: Certificate, subject: Certificate): boolean {
  const wanted = subject.extensions.authorityKeyId;
  const stated = ca.extensions.subjectKeyId;
  return wanted === undefined || stated === undefined || wanted === stated;
}

function isRepeated(ca: Certificate, below: readonly Certificate[]): boolean {
  return below.some((one) => one.subject === ca.subject && one.spkiSha256 === ca.spkiSha256);
}

function linkBroken(
  search: Search,
  ca: Certificate,
  below: readonly Certificate[],
): string | undefined {
  const issuers = below.slice(1).filter((one) => !isSelfIssued(one));
  const { trustDomain } = spiffePartsOf(search.id);
  const broken =
    issuerBroken(ca, { trustDomain, issuersBelow: issuers.length }) ??
    timeBroken(ca, search.atMs) ??
    namesBroken(ca, [search.leaf, ...issuers]);
  if (broken !== undefined) return broken;
  if (search.checksLeft <= 0) {
    search.reason = "the chain needs too many signature checks";
    return search.reason;
  }
  search.checksLeft -= 1;
  const subject = below.at(-1) ?? search.leaf;
  const isSigned = verify(subject.hash, subject.tbs, ca.publicKey, subject.signature);
  return isSigned ? undefined : "a signature is wrong";
}

function namesBroken(ca: Certificate, below: readonly Certificate[]): string | undefined {
  const constraints = ca.extensions.nameConstraints;
  if (constraints === undefined) return undefined;
  return below
    .map((subject) => constraintBroken(constraints, subject))
    .find((reason) => reason !== undefined);
}

function timeBroken(certificate: Certificate, atMs: number): string | undefined {
  if (atMs < certificate.notBeforeMs) {
    // Whoever issues dates back a quarter of an hour: only clocks that are further apart come here.
    return "a certificate is not valid yet: the clock here is behind, or its issuer's ahead";
  }
  return atMs > certificate.notAfterMs ? "a certificate has expired" : undefined;
}

function isSelfIssued(certificate: Certificate): boolean {
  return certificate.subject === certificate.issuer;
}

function isBoundToHosts(certificate: Certificate): boolean {
  const constraints = certificate.extensions.nameConstraints;
  return constraints?.isCritical === true && constraints.permitted.some((base) => base.t === "uri");
}

function refused(reason: string): PathVerdict {
  return { t: "refused", reason };
}
