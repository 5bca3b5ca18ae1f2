import { verify } from "node:crypto";
import { MeshError } from "../mesh/errors.ts";
import type { MemberName, MeshDomain, SpiffeId, TrustDomain } from "../mesh/ids.ts";
import { spiffePartsOf, trustDomainOf } from "../mesh/ids.ts";
import type { Certificate } from "./certificate.ts";
import { parseCertificate } from "./certificate.ts";
import { curveOf, spkiOf } from "./keys.ts";
import { constraintBroken } from "./name-constraints.ts";
import { guardRoot, issuerTrustDomain } from "./root-guard.ts";
import type { Signer } from "./signer.ts";
import { judgeLeaf } from "./svid-rules.ts";
import type { Template } from "./template.ts";
import {
  authorityName,
  certificateOf,
  emptyName,
  issuerExtensions,
  keyIdOf,
  rootExtensions,
  subjectOf,
  svidExtensions,
  tbsOf,
} from "./template.ts";
import { verifyPath } from "./verify.ts";

/** A certificate with the key behind it. */
export interface Authority {
  readonly certificate: Certificate;
  readonly signer: Signer;
}

/** A member's issuer, with what stands between it and a root. */
export interface Issuer extends Authority {
  /** Lowest first; absent or empty: a root of the bundle signed the issuer itself. */
  readonly above?: readonly Certificate[];
}

/** What the holder of a leaf shows its peers: leaf first, no root. DER. */
export function chainOf(leaf: Certificate, issuer: Issuer): readonly Buffer[] {
  return [leaf, issuer.certificate, ...(issuer.above ?? [])].map(({ der }) => der);
}

const dayMs = 86_400_000;
/** Clocks differ between clouds: a certificate is valid a little before it is made. */
export const backdateMs: number = 15 * 60_000;
const rootLifeMs = 3653 * dayMs;
// What it certifies begins no earlier than it does, and says by that when it was certified.
const rootBackdateMs = dayMs;
const issuerLifeMs = 365 * dayMs;
const svidLifeMs = dayMs;
// Shorter than this a certificate would have to be replaced before it has spread.
const minSvidLifeMs = 60_000;

export async function createRoot(options: {
  readonly mesh: MeshDomain;
  readonly signer: Signer;
  readonly nowMs: number;
}): Promise<Certificate> {
  const spki = spkiOf(options.signer.publicKey);
  const name = authorityName("Isthmus root", spki);
  const certificate = await signed(options.signer, {
    issuer: name,
    subject: name,
    ...validity(options.nowMs - rootBackdateMs, rootLifeMs + rootBackdateMs),
    spki,
    issuerKeyId: keyIdOf(spki),
    extensions: rootExtensions(),
  });
  checkSignature(certificate, certificate);
  return certificate;
}

/**
 * Certifies a member's issuer key: path length 0, bound to the member's own trust domain. Throws
 * MESH_TRUST_ISSUE_REFUSED.
 */
export async function issueIntermediate(options: {
  readonly root: Authority;
  readonly member: MemberName;
  readonly mesh: MeshDomain;
  readonly spki: Uint8Array;
  readonly nowMs: number;
  readonly lifeMs?: number;
}): Promise<Certificate> {
  const { root, spki } = options;
  const trustDomain = trustDomainOf(options.member, options.mesh);
  checkKey(spki);
  const certificate = await signed(guardRoot(root.signer, options.mesh), {
    issuer: subjectOf(root.certificate),
    subject: authorityName(options.member, spki),
    ...validity(options.nowMs, options.lifeMs ?? issuerLifeMs, root.certificate),
    spki,
    issuerKeyId: keyIdOf(root.certificate.spki),
    extensions: issuerExtensions(trustDomain),
  });
  checkSignature(certificate, root.certificate);
  if (issuerTrustDomain(certificate) !== trustDomain) refuse("it is not bound to its member");
  return certificate;
}

/**
 * Certifies a workload's key as `id`: build, sign, then check what was signed before it leaves.
 * The life is cut to the issuer's. Throws MESH_TRUST_ISSUE_REFUSED.
 */
export async function issueSvid(options: {
  readonly issuer: Authority;
  readonly id: SpiffeId;
  readonly spki: Uint8Array;
  readonly nowMs: number;
  readonly lifeMs?: number;
  /** Inside the trust domain, for clients that know DNS names only. */
  readonly dnsNames?: readonly string[];
}): Promise<Certificate> {
  const { certificate: issuer, signer } = options.issuer;
  checkKey(options.spki);
  checkIssuer(issuer, spiffePartsOf(options.id).trustDomain);
  const leaf = await signed(signer, {
    issuer: subjectOf(issuer),
    subject: emptyName,
    ...validity(options.nowMs, options.lifeMs ?? svidLifeMs, issuer),
    spki: options.spki,
    issuerKeyId: keyIdOf(issuer.spki),
    extensions: svidExtensions(options.id, options.dnsNames ?? []),
  });
  checkSvid(leaf, issuer, options.id);
  return leaf;
}

/** What the rest of the mesh will ask of it, asked first by us: only the issuer's own chain is left out. */
function checkSvid(leaf: Certificate, issuer: Certificate, id: SpiffeId): void {
  const verdict = judgeLeaf(leaf);
  if (verdict.t === "refused") refuse(verdict.reason);
  else if (verdict.id !== id) refuse("it says another identity than asked for");
  const constraints = issuer.extensions.nameConstraints ?? { permitted: [], excluded: [] };
  const broken = constraintBroken(constraints, leaf);
  if (broken !== undefined) refuse(broken);
  checkSignature(leaf, issuer);
}

/**
 * Signs a throwaway identity with a new issuer and verifies it as a peer would, so that a wrong key,
 * constraint, path length or time is found before anyone depends on it (SPIRE does the same).
 */
export async function probeIssuer(
  issuer: Issuer,
  options: {
    readonly id: SpiffeId;
    readonly roots: readonly Certificate[];
    readonly nowMs: number;
  },
): Promise<void> {
  const { id, roots, nowMs } = options;
  // It never leaves this function, so the issuer's own key will do for its subject.
  const { spki } = issuer.certificate;
  const leaf = await issueSvid({ issuer, id, spki, nowMs, lifeMs: minSvidLifeMs });
  const chain = [leaf, issuer.certificate, ...(issuer.above ?? [])];
  const verdict = verifyPath(chain, { roots, atMs: nowMs });
  if (verdict.t === "refused") refuse(`what it signs is refused: ${verdict.reason}`);
}

function validity(
  nowMs: number,
  lifeMs: number,
  issuer?: Certificate,
): { notBeforeMs: number; notAfterMs: number } {
  // Certificates know whole seconds only.
  const second = Math.floor(nowMs / 1000) * 1000;
  const notBeforeMs = Math.max(second - backdateMs, issuer?.notBeforeMs ?? 0);
  const notAfterMs = Math.min(
    second + Math.floor(lifeMs / 1000) * 1000,
    issuer?.notAfterMs ?? Number.POSITIVE_INFINITY,
  );
  if (notAfterMs - nowMs < minSvidLifeMs - 1000) refuse("its issuer expires within a minute");
  return { notBeforeMs, notAfterMs };
}

async function signed(signer: Signer, template: Template): Promise<Certificate> {
  const tbs = tbsOf(template);
  return parseCertificate(certificateOf(tbs, await signer.sign(tbs)));
}

function checkKey(spki: Uint8Array): void {
  if (curveOf(spki) !== "P-256") refuse("the key is not a canonical P-256 key");
}

const checkedIssuers = new WeakMap<Certificate, TrustDomain | undefined>();

function checkIssuer(issuer: Certificate, trustDomain: TrustDomain): void {
  if (!checkedIssuers.has(issuer)) checkedIssuers.set(issuer, issuerTrustDomain(issuer));
  if (checkedIssuers.get(issuer) !== trustDomain) {
    refuse(`its issuer does not speak for trust domain "${trustDomain}"`);
  }
}

function checkSignature(certificate: Certificate, issuer: Certificate): void {
  const { hash, tbs, signature } = certificate;
  if (!verify(hash, tbs, issuer.publicKey, signature)) {
    refuse("its signature does not fit its issuer's certificate");
  }
}

function refuse(truth: string): never {
  throw new MeshError("MESH_TRUST_ISSUE_REFUSED", `Cannot issue certificate: ${truth}`);
}
