import type { KeyObject } from "node:crypto";
import { MeshError } from "../mesh/errors.ts";
import type { MemberName, MeshDomain, SpiffeId, TrustDomain } from "../mesh/ids.ts";
import { parseMemberName, parseMeshDomain, spiffePartsOf } from "../mesh/ids.ts";
import type { Identity, IdentitySource } from "../mesh/ports.ts";
import type { Secret } from "../mesh/secret.ts";
import type { Bundle } from "./bundle.ts";
import { parseBundle } from "./bundle.ts";
import type { Certificate } from "./certificate.ts";
import { parseCertificate } from "./certificate.ts";
import { privateKeyPemOf, readPrivateKey, spkiOf } from "./keys.ts";
import { fromPem, toPem } from "./pem.ts";
import { judgeLeaf } from "./svid-rules.ts";
import { verifyPath } from "./verify.ts";

/** The three files of an SVID folder. */
export interface IdentityFiles {
  /** `svid.pem`: leaf first, with its chain. */
  readonly chainPem: string;
  /** `svid.key` */
  readonly keyPem: Secret;
  /** `bundle.pem` */
  readonly bundlePem: string;
}

/**
 * Puts an identity together from its files: the key fits, it is an SVID, and its own bundle trusts it.
 * Time is judged at the leaf's first instant: whether it still counts is for who uses it.
 * `ownIssuer` is trusted besides the bundle. Throws MESH_TRUST_IDENTITY_REFUSED and MESH_TRUST_DER_INVALID.
 */
export function identityFrom(files: IdentityFiles, ownIssuer?: Certificate): Identity {
  const [leaf, ...issuers] = fromPem("CERTIFICATE", files.chainPem).map(parseCertificate);
  if (leaf === undefined) return refuse("its chain is empty");
  const verdict = judgeLeaf(leaf);
  if (verdict.t === "refused") return refuse(verdict.reason);
  const key = readPrivateKey(files.keyPem);
  if (!spkiOf(key).equals(leaf.spki)) return refuse("its key does not fit its certificate");
  const { roots, pem } = parseBundle(files.bundlePem);
  const anchors = ownIssuer === undefined ? roots : [...roots, ownIssuer];
  const path = verifyPath([leaf, ...issuers], { roots: anchors, atMs: leaf.notBeforeMs });
  if (path.t === "refused") return refuse(path.reason);
  return {
    id: verdict.id,
    certChainPem: [leaf, ...issuers].map((one) => toPem("CERTIFICATE", one.der)).join(""),
    privateKeyPem: files.keyPem,
    bundlePem: pem,
    notBeforeMs: leaf.notBeforeMs,
    notAfterMs: leaf.notAfterMs,
  };
}

/** The same from what an issuer answered, with the key that was made for it. Throws as `identityFrom`. */
export function identityOf(
  key: KeyObject,
  answer: {
    readonly chainDer: readonly Uint8Array[];
    readonly bundleDer: readonly Uint8Array[];
    readonly renewPhase?: number;
    /** Whoever asks has this issuer's key: it needs nobody to vouch for it. */
    readonly ownIssuer?: Certificate;
  },
): Identity {
  const pem = (list: readonly Uint8Array[]): string =>
    list.map((der) => toPem("CERTIFICATE", der)).join("");
  const files = {
    chainPem: pem(answer.chainDer),
    keyPem: privateKeyPemOf(key),
    bundlePem: pem(answer.bundleDer),
  };
  const { renewPhase, ownIssuer } = answer;
  const identity = identityFrom(files, ownIssuer);
  return renewPhase === undefined ? identity : { ...identity, renewPhase };
}

export interface Home {
  readonly mesh: MeshDomain;
  readonly member: MemberName;
  readonly trustDomain: TrustDomain;
}

/** Where an identity is at home. Throws MESH_ID_INVALID when that is no member of a mesh. */
export function homeOf(id: SpiffeId): Home {
  const { trustDomain } = spiffePartsOf(id);
  const dot = trustDomain.indexOf(".");
  const member = parseMemberName(trustDomain.slice(0, Math.max(dot, 0)));
  return { trustDomain, member, mesh: parseMeshDomain(trustDomain.slice(dot + 1)) };
}

/** The roots that come with an identity, for a verifier in a launcher; read again only when they change. */
export function bundleFrom(source: Pick<IdentitySource, "current">): () => Bundle {
  let last: Bundle | undefined;
  return () => {
    const { bundlePem } = source.current();
    if (last?.pem !== bundlePem) last = parseBundle(bundlePem);
    return last;
  };
}

function refuse(truth: string): never {
  throw new MeshError("MESH_TRUST_IDENTITY_REFUSED", `Cannot use identity: ${truth}`);
}
