import { MeshError } from "../mesh/errors.ts";
import { type SpiffeId, spiffePartsOf } from "../mesh/ids.ts";
import type { Peer } from "../mesh/ports.ts";
import type { Bundle } from "./bundle.ts";
import { parseCsr } from "./csr.ts";
import type { Issuer } from "./issue.ts";
import { chainOf, issueSvid } from "./issue.ts";
import { issuerTrustDomain } from "./root-guard.ts";

export interface RenewedSvid {
  /** Leaf first. */
  readonly chainDer: readonly Buffer[];
  readonly bundleDer: readonly Buffer[];
}

export interface IssuingOptions {
  readonly issuer: Issuer;
  readonly bundle: Bundle;
  readonly nowMs: number;
  readonly lifeMs?: number;
}

// An agent makes its own identities in memory. Renewed over the wire, a stolen one would live on.
const issuable = /^\/(?:ns\/[^/]+\/sa\/[^/]+|isthmus\/gateway)$/;

/**
 * The agent's side of a renewal: who proves an identity gets the same one again for a new key, and no
 * other. Throws MESH_TRUST_ISSUE_REFUSED and MESH_TRUST_CSR_REFUSED.
 */
export async function renewSvid(
  request: { readonly csrDer: Uint8Array; readonly peer: Peer },
  options: IssuingOptions,
): Promise<RenewedSvid> {
  const { peer, csrDer } = request;
  if (peer.isExpired) {
    throw new MeshError(
      "MESH_TRUST_ISSUE_REFUSED",
      `Cannot renew "${peer.id}": its SVID has expired`,
    );
  }
  return await issueProven({ csrDer, id: peer.id }, options);
}

/**
 * Certifies the CSR's key for an identity that somebody proved, by whatever means. Throws
 * MESH_TRUST_ISSUE_REFUSED and MESH_TRUST_CSR_REFUSED.
 */
export async function issueProven(
  request: { readonly csrDer: Uint8Array; readonly id: SpiffeId },
  options: IssuingOptions,
): Promise<RenewedSvid> {
  const { id, csrDer } = request;
  const { issuer, bundle, ...rest } = options;
  const { trustDomain, path } = spiffePartsOf(id);
  const isOwn = trustDomain === issuerTrustDomain(issuer.certificate);
  if (!isOwn || !issuable.test(path)) {
    throw new MeshError(
      "MESH_TRUST_ISSUE_REFUSED",
      `Cannot issue "${id}": this agent does not give it`,
    );
  }
  const { spki } = parseCsr(csrDer);
  const leaf = await issueSvid({ issuer, id, spki, ...rest });
  return {
    chainDer: chainOf(leaf, issuer),
    bundleDer: bundle.roots.map((root) => root.der),
  };
}
