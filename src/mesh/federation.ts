import type { SpiffeId, TrustDomain } from "./ids.ts";

/**
 * A trust domain outside of the mesh that the root's owner let in. Its roots count for identities of that trust
 * domain alone, and none of those may call anything that `callers` does not say.
 */
export interface FederatedDomain {
  readonly trustDomain: TrustDomain;
  /** Its roots when it was let in, DER in base64: what its endpoint is first judged by, and all there is without one. */
  readonly roots: readonly string[];
  /** Of that bundle; a lower one is never taken after it. */
  readonly sequence: number;
  /** Where agents fetch its bundle from; absent: the roots above stay. */
  readonly endpoint?: BundleEndpoint;
  readonly callers: readonly FederatedCaller[];
}

/** Source: SPIFFE Federation, section 5. None of its parts is ever made out of another one. */
export type BundleEndpoint =
  /** Judged by the certificate authorities of the web. */
  | { readonly profile: "https_web"; readonly url: string }
  /** Judged by the bundle fetched last, of the endpoint's own trust domain. */
  | { readonly profile: "https_spiffe"; readonly url: string; readonly id: SpiffeId };

/** A foreign identity and the own workloads that it may call. */
export interface FederatedCaller {
  readonly id: SpiffeId;
  /** `namespace/serviceAccount` of the called workloads, in every member. */
  readonly to: readonly string[];
}
