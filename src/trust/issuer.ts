import { MeshError } from "../mesh/errors.ts";
import { spiffePartsOf } from "../mesh/ids.ts";
import type { Peer } from "../mesh/ports.ts";
import type { Bundle } from "./bundle.ts";
import { parseCsr } from "./csr.ts";
import type { Authority } from "./issue.ts";
import { issueSvid } from "./issue.ts";
import { issuerTrustDomain } from "./root-guard.ts";

export interface RenewedSvid {
  /** Leaf first. */
  readonly chainDer: readonly Buffer[];
  readonly bundleDer: readonly Buffer[];
}

// An agent makes its own identities in memory. Renewed over the wire, a stolen one would live on.
const renewable = /^\/(?:ns\/[^/]+\/sa\/[^/]+|isthmus\/gateway)$/;

/**
 * The agent's side of a renewal: who proves an identity gets the same one again for a new key, and no
 * other. Throws MESH_TRUST_ISSUE_REFUSED and MESH_TRUST_CSR_REFUSED.
 */
export async function renewSvid(
  request: { readonly csrDer: Uint8Array; readonly peer: Peer },
  options: {
    readonly issuer: Authority;
    readonly bundle: Bundle;
    readonly nowMs: number;
    readonly lifeMs?: number;
  },
): Promise<RenewedSvid> {
  const { peer } = request;
  const { issuer, bundle, ...rest } = options;
  const { trustDomain, path } = spiffePartsOf(peer.id);
  const isOwn = trustDomain === issuerTrustDomain(issuer.certificate);
  if (peer.isExpired || !isOwn || !renewable.test(path)) {
    const truth = peer.isExpired ? "its SVID has expired" : "this agent does not renew it";
    throw new MeshError("MESH_TRUST_ISSUE_REFUSED", `Cannot renew "${peer.id}": ${truth}`);
  }
  const { spki } = parseCsr(request.csrDer);
  const leaf = await issueSvid({ issuer, id: peer.id, spki, ...rest });
  return {
    chainDer: [leaf.der, issuer.certificate.der],
    bundleDer: bundle.roots.map((root) => root.der),
  };
}
