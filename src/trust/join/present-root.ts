import { verify } from "node:crypto";
import { MeshError } from "../../mesh/errors.ts";
import type { Bundle } from "../bundle.ts";
import type { Certificate } from "../certificate.ts";

/**
 * The root that a newcomer has to know to believe this member's agents: the one that signed the issuer, or
 * failing that the next certificate above it. While roots are exchanged both may count; the first is the one
 * that stays. Throws MESH_TRUST_CHAIN_REFUSED when the bundle has neither.
 */
export function presentRoot(chain: readonly Certificate[], bundle: Bundle): Certificate {
  for (const each of chain) {
    const root = bundle.roots.find((one) => isSignedBy(each, one));
    if (root !== undefined) return root;
  }
  throw new MeshError(
    "MESH_TRUST_CHAIN_REFUSED",
    "Cannot create token: no root of bundle.pem signed the issuer in member.pem",
  );
}

function isSignedBy(certificate: Certificate, root: Certificate): boolean {
  const { hash, tbs, signature, issuer } = certificate;
  return issuer === root.subject && verify(hash, tbs, root.publicKey, signature);
}
