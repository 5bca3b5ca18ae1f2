import { verify } from "node:crypto";
import { MeshError } from "../../mesh/errors.ts";
import type { Certificate } from "../certificate.ts";
import { parseCertificate } from "../certificate.ts";
import type { Authority } from "../issue.ts";
import { backdateMs } from "../issue.ts";
import { certificateOf, crossExtensions, keyIdOf, subjectOf, tbsOf } from "../template.ts";

// A rotation takes days; whoever lets one lie this long is told to end it by everything that ages meanwhile.
const lifeMs = 365 * 86_400_000;

/**
 * The key of a new root, certified by the present one: same name and key identifier as the new root itself, so
 * that a chain over it ends in either. The other way round there is none: a certificate of the old root by the
 * new one would let the old one live on after it was retired. Throws MESH_TRUST_ISSUE_REFUSED.
 */
export async function crossCertify(options: {
  readonly by: Authority;
  readonly root: Certificate;
  readonly nowMs: number;
}): Promise<Certificate> {
  const { by, root, nowMs } = options;
  if (root.spkiSha256 === by.certificate.spkiSha256) refuse("both roots have one key");
  const second = Math.floor(nowMs / 1000) * 1000;
  const tbs = tbsOf({
    issuer: subjectOf(by.certificate),
    subject: subjectOf(root),
    notBeforeMs: Math.max(second - backdateMs, by.certificate.notBeforeMs),
    notAfterMs: Math.min(second + lifeMs, by.certificate.notAfterMs, root.notAfterMs),
    spki: root.spki,
    // A root that was made elsewhere has its own way to name its key.
    issuerKeyId: by.certificate.extensions.subjectKeyId ?? keyIdOf(by.certificate.spki),
    extensions: crossExtensions(),
  });
  const cross = parseCertificate(certificateOf(tbs, await by.signer.sign(tbs)));
  if (!verify(cross.hash, cross.tbs, by.certificate.publicKey, cross.signature)) {
    refuse("the signature does not fit the present root's certificate");
  }
  return cross;
}

function refuse(truth: string): never {
  throw new MeshError("MESH_TRUST_ISSUE_REFUSED", `Cannot certify the new root: ${truth}`);
}
