import {
  infrastructureSpiffeId,
  type MeshDomain,
  parseMemberName,
  trustDomainOf,
} from "../../mesh/ids.ts";
import type { Certificate } from "../certificate.ts";
import { type Authority, issueIntermediate, probeIssuer } from "../issue.ts";
import { spkiOf } from "../keys.ts";
import { signerOf } from "../signer.ts";
import { newPrivateKey } from "./new-key.ts";

/**
 * Signs a throwaway issuer with the next root and tries it as peers would that trust only the present root, only
 * the next one, or both: what is wrong with either is found before anybody depends on it. Throws
 * MESH_TRUST_ISSUE_REFUSED.
 */
export async function probeRoot(options: {
  readonly next: Authority;
  readonly cross: Certificate;
  readonly present: Certificate;
  readonly mesh: MeshDomain;
  readonly nowMs: number;
}): Promise<void> {
  const { next, cross, present, mesh, nowMs } = options;
  const member = parseMemberName("probe");
  const signer = signerOf(newPrivateKey());
  const spki = spkiOf(signer.publicKey);
  const certificate = await issueIntermediate({ root: next, member, mesh, spki, nowMs });
  const id = infrastructureSpiffeId(trustDomainOf(member, mesh), "agent");
  for (const roots of [[present], [next.certificate], [present, next.certificate]]) {
    await probeIssuer({ certificate, signer, above: [cross] }, { id, roots, nowMs });
  }
}
