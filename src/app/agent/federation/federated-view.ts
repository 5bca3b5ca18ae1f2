import type { Charter } from "../../../mesh/charter.ts";
import type { TrustDomain } from "../../../mesh/ids.ts";
import type { TrustView } from "../../../proxy/trust-view.ts";

/**
 * What proxies are told of foreign trust domains. Who is let in, and to what, is the charter's word; roots may be
 * younger than it. One without roots, or that the charter does not name, is not told of.
 */
export function federatedView(
  { federated = [] }: Charter,
  roots: ReadonlyMap<TrustDomain, string>,
): Pick<TrustView, "federated"> {
  const told = federated.flatMap(({ trustDomain, callers }) => {
    const bundlePem = roots.get(trustDomain);
    return bundlePem === undefined ? [] : [{ trustDomain, bundlePem, callers }];
  });
  return told.length === 0 ? {} : { federated: told };
}
