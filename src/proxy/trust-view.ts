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
}
