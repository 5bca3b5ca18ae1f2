import type { FederatedCaller } from "../mesh/federation.ts";
import type { TrustDomain } from "../mesh/ids.ts";

/** What proxies are told about whom to believe. Changes with the charter and with a bundle's rotation. */
export interface TrustView {
  /** Trusted roots. */
  readonly bundlePem: string;
  /** The own one among `trustDomains`. */
  readonly ownTrustDomain: TrustDomain;
  /** Of every member that the charter does not deny. */
  readonly trustDomains: readonly TrustDomain[];
  /** Of every member that it does; absent: none. */
  readonly denied?: readonly TrustDomain[];
  /** Trust domains outside of the mesh, with roots of their own; absent: none. */
  readonly federated?: readonly FederatedView[];
}

/** A trust domain outside of the mesh. */
export interface FederatedView {
  readonly trustDomain: TrustDomain;
  /** They count for its own identities alone. */
  readonly bundlePem: string;
  /** Whom of it the root's owner lets in, and to which workloads; all others are refused. */
  readonly callers: readonly FederatedCaller[];
}
