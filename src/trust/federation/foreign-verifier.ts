import { MeshError, reasonOf } from "../../mesh/errors.ts";
import { parseSpiffeId, type SpiffeId, spiffePartsOf, type TrustDomain } from "../../mesh/ids.ts";
import { parseBundle } from "../bundle.ts";
import { parseCertificate } from "../certificate.ts";
import { verifyPath } from "../verify.ts";

/** The roots of one trust domain, as PEM; undefined: it is not believed. */
export type RootsOf = (trustDomain: TrustDomain) => string | undefined;

export type ChainVerdict =
  | { readonly t: "ok"; readonly id: SpiffeId }
  | { readonly t: "refused"; readonly reason: string };

// As the agent's verifier: cross-certificates during a rotation make chains longer.
const maxChain = 8;

/**
 * Judges a chain (DER, leaf first) against the roots of its leaf's own trust domain and no others: with all roots
 * in one heap each could speak for each. Source: X509-SVID section 5, SPIFFE Trust Domain and Bundle section 5.
 * `isOwn` says which trust domains are members of the mesh: their issuers have to be bound to them, foreign ones
 * need not be.
 */
export function verifyByDomain(
  chain: readonly Uint8Array[],
  options: {
    readonly rootsOf: RootsOf;
    readonly isOwn: (trustDomain: TrustDomain) => boolean;
    readonly nowMs: number;
  },
): ChainVerdict {
  if (chain.length === 0 || chain.length > maxChain) {
    return { t: "refused", reason: `a chain has 1 to ${maxChain} certificates` };
  }
  try {
    const certificates = chain.map(parseCertificate);
    const [leaf] = certificates;
    const uri = leaf?.extensions.subjectAltName?.names.find((name) => name.t === "uri");
    const trustDomain = uri?.t === "uri" ? trustDomainIn(uri.value) : undefined;
    const rootsPem = trustDomain === undefined ? undefined : options.rootsOf(trustDomain);
    if (trustDomain === undefined || rootsPem === undefined) {
      return { t: "refused", reason: `"${trustDomain ?? ""}" is no trust domain that counts here` };
    }
    const { roots } = parseBundle(rootsPem);
    const found = verifyPath(certificates, {
      roots,
      atMs: options.nowMs,
      needsBoundIssuer: options.isOwn(trustDomain),
    });
    return found.t === "ok" ? { t: "ok", id: found.path.id } : found;
  } catch (thrown) {
    if (!(thrown instanceof MeshError)) throw thrown;
    return { t: "refused", reason: reasonOf(thrown) };
  }
}

/** Throws MESH_ID_INVALID. */
function trustDomainIn(uri: string): TrustDomain {
  return spiffePartsOf(parseSpiffeId(uri)).trustDomain;
}
