import type {
  Policy,
  Principal_Set,
  Principal as PrincipalMessage,
  RBAC,
} from "../../xds/gen/envoy/config/rbac/v3/rbac_pb.ts";
import { RBAC_Action } from "../../xds/gen/envoy/config/rbac/v3/rbac_pb.ts";
import type { RBAC as NetworkRbac } from "../../xds/gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts";
import { nameMatchOf } from "./common.ts";
import type { Principal, RbacRules } from "./model.ts";
import { unsupported } from "./supported.ts";

/** Undefined: the filter has no rules and lets everyone pass, as in Envoy. */
export function rbacOf(filter: NetworkRbac, path: string): RbacRules | undefined {
  if (filter.rules === undefined) return undefined;
  return {
    action: actionOf(filter.rules, path),
    principals: principalsOf(filter.rules, `${path}.rules`),
  };
}

function actionOf(rules: RBAC, path: string): RbacRules["action"] {
  if (rules.action === RBAC_Action.ALLOW) return "allow";
  if (rules.action === RBAC_Action.DENY) return "deny";
  return unsupported(`${path}.rules.action`, "is neither ALLOW nor DENY");
}

function principalsOf(rules: RBAC, path: string): Principal[] {
  return Object.entries(rules.policies).flatMap(([name, policy]) => {
    const inner = `${path}.policies["${name}"]`;
    requireAnyPermission(policy, inner);
    return policy.principals.map((principal) => principalOf(principal, `${inner}.principals`));
  });
}

function requireAnyPermission(policy: Policy, path: string): void {
  const isAny = policy.permissions.some(({ rule }) => rule.case === "any" && rule.value);
  if (!isAny) unsupported(`${path}.permissions`, `is not "any"`);
}

function principalOf({ identifier }: PrincipalMessage, path: string): Principal {
  const all = ({ ids }: Principal_Set): Principal[] => ids.map((id) => principalOf(id, path));
  if (identifier.case === "any" && identifier.value) return { t: "any" };
  if (identifier.case === "andIds") return { t: "and", of: all(identifier.value) };
  if (identifier.case === "orIds") return { t: "or", of: all(identifier.value) };
  if (identifier.case === "notId") return { t: "not", of: principalOf(identifier.value, path) };
  if (identifier.case !== "authenticated") return unsupported(path, "cannot be judged at L4");
  const { principalName } = identifier.value;
  if (principalName === undefined) return { t: "authenticated" };
  return { t: "authenticated", name: nameMatchOf(principalName, `${path}.principalName`) };
}
