import { parseCertificate } from "../certificate.ts";

/** Of a root as charters hold it, DER in base64. Throws MESH_TRUST_DER_INVALID. */
export function spkiSha256Of(root: string): string {
  return parseCertificate(Buffer.from(root, "base64")).spkiSha256;
}
