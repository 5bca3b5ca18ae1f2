import type { SpiffeId } from "../mesh/ids.ts";
import { isMatch } from "./config/common.ts";
import type { Principal, RbacRules } from "./config/model.ts";

/**
 * Whether a peer may pass. Undefined is a peer without an identity. A deny list refuses whom it
 * names, an allow list everyone else.
 */
export function isAllowed(rules: readonly RbacRules[], peer: SpiffeId | undefined): boolean {
  return rules.every(({ action, principals }) => {
    const isNamed = principals.some((principal) => isPrincipal(principal, peer));
    return action === "allow" ? isNamed : !isNamed;
  });
}

function isPrincipal(principal: Principal, peer: SpiffeId | undefined): boolean {
  switch (principal.t) {
    case "any":
      return true;
    case "authenticated":
      if (peer === undefined) return false;
      return principal.name === undefined || isMatch(principal.name, peer);
    case "and":
      return principal.of.every((part) => isPrincipal(part, peer));
    case "or":
      return principal.of.some((part) => isPrincipal(part, peer));
    case "not":
      return !isPrincipal(principal.of, peer);
  }
}
