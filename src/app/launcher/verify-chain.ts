import type { VerifyChain } from "../../dataplane/io/tls-contexts.ts";
import { memberOfTrustDomain } from "../../mesh/ids.ts";
import { verifyByDomain } from "../../trust/federation/foreign-verifier.ts";
import { homeOf } from "../../trust/identity.ts";

/** Judges a caller by the roots of its own trust domain, where foreign ones are let in. */
export const verifyChain: VerifyChain = (chain, { domains, self }) => {
  const { mesh } = homeOf(self);
  return verifyByDomain(chain, {
    rootsOf: (trustDomain) => domains.get(trustDomain),
    isOwn: (trustDomain) => memberOfTrustDomain(trustDomain, mesh) !== undefined,
    nowMs: Date.now(),
  });
};
