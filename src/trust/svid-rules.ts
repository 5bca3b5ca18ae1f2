import type { SpiffeId, TrustDomain } from "../mesh/ids.ts";
import { parseSpiffeId, spiffePartsOf } from "../mesh/ids.ts";
import type { Certificate } from "./certificate.ts";
import { rawOid } from "./der.ts";
import { keyUsage, oids } from "./oids.ts";

/** Source of all rules here: SPIFFE X509-SVID sections 2–5, RFC 5280 section 4.2.1. */
export type LeafVerdict =
  | { readonly t: "ok"; readonly id: SpiffeId }
  | { readonly t: "refused"; readonly reason: string };

const serverAuth = rawOid(oids.serverAuth);
const clientAuth = rawOid(oids.clientAuth);
const anyPurpose = rawOid(oids.anyExtendedKeyUsage);

/** Whether a leaf is an X509-SVID, time and signatures aside. */
export function judgeLeaf(leaf: Certificate): LeafVerdict {
  const reason = leafBroken(leaf);
  if (reason !== undefined) return { t: "refused", reason };
  const [uri] = urisOf(leaf);
  try {
    const id = parseSpiffeId(uri ?? "");
    const hasPath = spiffePartsOf(id).path !== "";
    return hasPath ? { t: "ok", id } : { t: "refused", reason: "its SPIFFE ID has no path" };
  } catch {
    return { t: "refused", reason: "its URI is not a SPIFFE ID" };
  }
}

function leafBroken(leaf: Certificate): string | undefined {
  const { basicConstraints, keyUsage: usage, subjectAltName, nameConstraints } = leaf.extensions;
  if (leaf.extensions.strangers.length > 0) return "it has an unknown critical extension";
  if (basicConstraints?.isCa === true) return "it is a CA";
  if (usage === undefined || !usage.isCritical) return "it has no critical key usage";
  if (!usage.bits.has(keyUsage.digitalSignature)) return "its key may not sign";
  if (usage.bits.has(keyUsage.keyCertSign) || usage.bits.has(keyUsage.crlSign)) {
    return "its key may sign certificates or CRLs";
  }
  const purposes = leaf.extensions.extendedKeyUsage?.purposes;
  if (purposes !== undefined && !(purposes.includes(serverAuth) && purposes.includes(clientAuth))) {
    return "its key is not for both TLS server and client";
  }
  if (urisOf(leaf).length !== 1) return "it does not have exactly one URI";
  if (leaf.isSubjectEmpty && subjectAltName?.isCritical !== true) {
    return "its subject is empty and its alternative name is not critical";
  }
  return nameConstraints === undefined ? undefined : "it has name constraints";
}

/** Why a certificate may not have signed those below it in the path, time and signatures aside. */
export function issuerBroken(
  ca: Certificate,
  use: { readonly trustDomain: TrustDomain; readonly issuersBelow: number },
): string | undefined {
  const { basicConstraints, keyUsage: usage, extendedKeyUsage } = ca.extensions;
  if (ca.extensions.strangers.length > 0) return "an issuer has an unknown critical extension";
  if (basicConstraints?.isCa !== true || !basicConstraints.isCritical) {
    return "an issuer is not a CA by a critical extension";
  }
  const isSigner = usage?.isCritical === true && usage.bits.has(keyUsage.keyCertSign);
  if (!isSigner) return "an issuer's key may not sign certificates";
  if (use.issuersBelow > (basicConstraints.pathLength ?? Number.POSITIVE_INFINITY)) {
    return "the path is longer than an issuer allows";
  }
  const purposes = extendedKeyUsage?.purposes;
  const isForTls =
    purposes === undefined ||
    purposes.includes(anyPurpose) ||
    (purposes.includes(serverAuth) && purposes.includes(clientAuth));
  if (!isForTls) return "an issuer is not for TLS";
  return issuerIdBroken(ca, use.trustDomain);
}

/** An issuer may name the trust domain it speaks for, and then no other. */
function issuerIdBroken(ca: Certificate, trustDomain: TrustDomain): string | undefined {
  const uris = urisOf(ca);
  if (uris.length === 0) return undefined;
  const isOwn = uris.length === 1 && uris[0] === `spiffe://${trustDomain}`;
  return isOwn ? undefined : "an issuer speaks for another trust domain";
}

function urisOf(certificate: Certificate): readonly string[] {
  const names = certificate.extensions.subjectAltName?.names ?? [];
  return names.flatMap((name) => (name.t === "uri" ? [name.value] : []));
}
