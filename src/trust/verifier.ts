import { verify } from "node:crypto";
import type { Charter } from "../mesh/charter.ts";
import { charterMember } from "../mesh/charter.ts";
import { MeshError, reasonOf } from "../mesh/errors.ts";
import type { MeshDomain, SpiffeId } from "../mesh/ids.ts";
import { memberOfTrustDomain, spiffePartsOf } from "../mesh/ids.ts";
import type { Peer, PeerVerdict, VerifyPeer, VerifySignature } from "../mesh/ports.ts";
import type { Bundle } from "./bundle.ts";
import type { Certificate } from "./certificate.ts";
import { parseCertificate } from "./certificate.ts";
import { backdateMs } from "./issue.ts";
import { curveOf, sha256Hex } from "./keys.ts";
import { lruOf } from "./lru.ts";
import { issuerTrustDomain } from "./root-guard.ts";
import type { Path } from "./verify.ts";
import { verifyPath } from "./verify.ts";

/** Both are asked at each judgement, so that a new charter or bundle counts at once. */
export interface Trusted {
  readonly mesh: MeshDomain;
  readonly bundle: () => Bundle;
  /**
   * Undefined where the charter is not known: a launcher has none and accepts only the identity it
   * dials. Then any issuer bound to a member of the mesh is taken.
   */
  readonly charter: (() => Charter) | undefined;
}

/** Both judge by the bundle and the charter that are in force when they are called. */
export interface Verifier {
  readonly verifyPeer: VerifyPeer;
  /**
   * As `verifyPeer`, and takes also whom an issuer vouches for that the charter lists, though its root is retired:
   * the charter names the key of that issuer. For an agent's own port, where members and workloads get certificates
   * under the present root that were away while it was rotated.
   */
  readonly verifyCaller: VerifyPeer;
  readonly verifySignature: VerifySignature;
}

// A chain of leaf and issuer has 1.2 kB; longer ones are cross-certificates during a root rotation.
const maxChain = 8;
// One per peer process and renewal: 2,000 sidecars fit, each entry holds about 6 kB.
const maxRemembered = 4096;

/**
 * Judges peers and signatures. Chains that held are remembered by their hash: signatures do not
 * change; time, bundle and charter are judged again each time.
 */
export function createVerifier(trusted: Trusted): Verifier {
  const remembered = lruOf<Path>(maxRemembered);

  function pathOf(chain: readonly Uint8Array[], options: JudgeOptions): Found {
    if (chain.length === 0 || chain.length > maxChain) {
      return { t: "refused", reason: `a chain has 1 to ${maxChain} certificates` };
    }
    const bundle = trusted.bundle();
    const key = sha256Hex(...chain.flatMap(lengthPrefixed), Buffer.from(bundle.digest));
    const known = remembered.get(key);
    if (known !== undefined && isTimely(known, judgedAtMs(known.leaf.notAfterMs, options))) {
      return { t: "ok", path: known };
    }
    const found = search(chain, bundle, options);
    if (found.t === "ok") remembered.set(key, found.path);
    return found;
  }

  function judge(chain: readonly Uint8Array[], options: JudgeOptions): Judged {
    const found = pathOf(chain, options);
    if (found.t === "refused") return found;
    const reason = charterBroken(trusted, found.path);
    if (reason !== undefined) return { t: "refused", reason };
    return { t: "ok", path: found.path, peer: peerOf(found.path, options.nowMs) };
  }

  return {
    verifyPeer: (chain, options) => verdictOf(judge(chain, options)),
    verifyCaller: (chain, options) => {
      const verdict = verdictOf(judge(chain, options));
      const listed =
        verdict.t === "refused" ? listedPath(trusted, { chain, ...options }) : undefined;
      return listed === undefined ? verdict : { t: "ok", peer: peerOf(listed, options.nowMs) };
    },
    verifySignature: ({ bytes, signature }, options) => {
      const judged = judge(signature.chain, options);
      if (judged.t === "refused") return judged;
      const { publicKey, spki } = judged.path.leaf;
      const isSigned =
        curveOf(spki) === "P-256" && verify("sha256", bytes, publicKey, signature.bytes);
      return isSigned ? verdictOf(judged) : { t: "refused", reason: "the signature is wrong" };
    },
  };
}

interface JudgeOptions {
  readonly nowMs: number;
  readonly allowExpired?: boolean;
}

type Found = { readonly t: "ok"; readonly path: Path } | Refused;
type Judged = { readonly t: "ok"; readonly path: Path; readonly peer: Peer } | Refused;
type Refused = { readonly t: "refused"; readonly reason: string };

function search(chain: readonly Uint8Array[], bundle: Bundle, options: JudgeOptions): Found {
  try {
    const certificates = chain.map(parseCertificate);
    const leafEndMs = certificates[0]?.notAfterMs ?? 0;
    const atMs = judgedAtMs(leafEndMs, options);
    return verifyPath(certificates, { roots: bundle.roots, atMs });
  } catch (thrown) {
    if (!(thrown instanceof MeshError)) throw thrown;
    return { t: "refused", reason: reasonOf(thrown) };
  }
}

/** An expired chain that is allowed must have held at the last instant of its leaf. */
function judgedAtMs(leafEndMs: number, options: JudgeOptions): number {
  return options.allowExpired === true ? Math.min(options.nowMs, leafEndMs) : options.nowMs;
}

function isTimely(path: Path, atMs: number): boolean {
  return path.certificates.every((one) => one.notBeforeMs <= atMs && atMs <= one.notAfterMs);
}

/** Why the charter refuses who the certificates prove. */
function charterBroken(trusted: Trusted, path: Path): string | undefined {
  const { trustDomain } = spiffePartsOf(path.id);
  const name = memberOfTrustDomain(trustDomain, trusted.mesh);
  if (name === undefined) return `"${trustDomain}" is not a member of ${trusted.mesh}`;
  if (trusted.charter === undefined) return undefined;
  const charter = trusted.charter();
  const member = charterMember(charter, name);
  if (member === undefined) return `the charter does not have member "${name}"`;
  if (member.state === "denied") return `the charter denies member "${name}"`;
  return member.issuers.includes(path.issuer.spkiSha256) || isYoungerThan(charter, path.issuer)
    ? undefined
    : `the charter does not list this issuer for member "${name}"`;
}

/**
 * A chain whose issuer the charter lists for the leaf's member: one that a retired root certified, or, where that root
 * cannot be asked, the last one of the member.
 */
function listedPath(
  trusted: Trusted,
  { chain, nowMs }: { readonly chain: readonly Uint8Array[]; readonly nowMs: number },
): Path | undefined {
  if (chain.length < 2 || chain.length > maxChain) return undefined;
  try {
    const certificates = chain.map(parseCertificate);
    return (
      retiredPath(trusted, { certificates, nowMs }) ?? lastPath(trusted, { certificates, nowMs })
    );
  } catch (thrown) {
    if (!(thrown instanceof MeshError)) throw thrown;
    return undefined;
  }
}

interface Shown {
  readonly certificates: readonly Certificate[];
  readonly nowMs: number;
}

/** Under a root that made way for another in good order: its signature still says how long an issuer may sign. */
function retiredPath(trusted: Trusted, { certificates, nowMs }: Shown): Path | undefined {
  const roots = retiredRootsOf(trusted.charter?.());
  const found = verifyPath(certificates, { roots, atMs: nowMs });
  if (found.t === "refused" || charterBroken(trusted, found.path) !== undefined) return undefined;
  return issuersFor(trusted, found.path).includes(found.path.issuer.spkiSha256)
    ? found.path
    : undefined;
}

const retiredRoots = new WeakMap<Charter, readonly Certificate[]>();

function retiredRootsOf(charter: Charter | undefined): readonly Certificate[] {
  if (charter === undefined) return [];
  const known = retiredRoots.get(charter);
  if (known !== undefined) return known;
  const said = (charter.succession ?? []).flatMap(({ retired }) => retired ?? []);
  const roots = said.map((der) => parseCertificate(Buffer.from(der, "base64")));
  retiredRoots.set(charter, roots);
  return roots;
}

function issuersFor({ charter, mesh }: Trusted, { id }: Path): readonly string[] {
  const name = memberOfTrustDomain(spiffePartsOf(id).trustDomain, mesh);
  if (charter === undefined || name === undefined) return [];
  return charterMember(charter(), name)?.issuers ?? [];
}

function lastPath(trusted: Trusted, { certificates, nowMs }: Shown): Path | undefined {
  const [leaf, issuer] = certificates;
  if (leaf === undefined || issuer === undefined) return undefined;
  if (issuerTrustDomain(issuer) === undefined) return undefined;
  const found = verifyPath([leaf], { roots: [issuer], atMs: nowMs });
  const isListed = found.t === "ok" && charterBroken(trusted, found.path) === undefined;
  return isListed && isInCharter(trusted, { path: found.path, nowMs }) ? found.path : undefined;
}

/**
 * By its key alone: whatever else this certificate says its holder may have written. So only the key that the member
 * got last counts, for as long as the charter says that it may: an earlier one that was stolen and has expired
 * would buy an issuer under the present root.
 */
function isInCharter(
  { charter, mesh }: Trusted,
  { path: { id, issuer }, nowMs }: { readonly path: Path; readonly nowMs: number },
): boolean {
  const name = memberOfTrustDomain(spiffePartsOf(id).trustDomain, mesh);
  if (charter === undefined || name === undefined) return false;
  const { issuers = [], issuersEndMs = 0 } = charterMember(charter(), name) ?? {};
  return issuers.at(-1) === issuer.spkiSha256 && nowMs <= issuersEndMs;
}

/**
 * Whether the root certified it after it signed this charter: a newer one that lists it is on its way. Nobody has to
 * wait then until all others have that one, and what an older charter had and this one does not have stays out.
 */
function isYoungerThan({ timeMs, members }: Charter, issuer: Certificate): boolean {
  const isOthers = members.some(({ issuers }) => issuers.includes(issuer.spkiSha256));
  return !isOthers && issuer.notBeforeMs + backdateMs + youngSlackMs > timeMs;
}

// Between certifying an issuer and listing it the charter may be raised for another one, and agents that may use the
// root have clocks of their own.
const youngSlackMs = 5 * 60_000;

function peerOf(path: Path, nowMs: number): Peer {
  const id: SpiffeId = path.id;
  const { notBeforeMs, notAfterMs, sha256 } = path.leaf;
  return {
    id,
    notBeforeMs,
    notAfterMs,
    leafSha256: sha256,
    issuerSpkiSha256: path.issuer.spkiSha256,
    isExpired: nowMs > notAfterMs,
  };
}

function verdictOf(judged: Judged): PeerVerdict {
  return judged.t === "ok" ? { t: "ok", peer: judged.peer } : judged;
}

function lengthPrefixed(bytes: Uint8Array): readonly Uint8Array[] {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return [length, bytes];
}
