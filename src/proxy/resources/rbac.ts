import type { MessageInitShape } from "@bufbuild/protobuf";
import { type PolicySchema, RBAC_Action } from "../../xds/gen/envoy/config/rbac/v3/rbac_pb.ts";
import { RBACSchema } from "../../xds/gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts";
import type { Extension } from "./wire.ts";
import { extension } from "./wire.ts";

type PolicyInit = MessageInitShape<typeof PolicySchema>;

/** A caller's SPIFFE ID, whole or by its beginning. */
export type CallerMatch = { readonly case: "exact" | "prefix"; readonly value: string };

/** Lets in whoever matches; nobody when the list is empty. Judged once per connection. */
export function allowCallers(callers: readonly CallerMatch[]): Extension {
  return extension("envoy.filters.network.rbac", RBACSchema, {
    statPrefix: "callers",
    rules: {
      action: RBAC_Action.ALLOW,
      policies: callers.length === 0 ? {} : { callers: policyFor(callers) },
    },
  });
}

function policyFor(callers: readonly CallerMatch[]): PolicyInit {
  return {
    permissions: [{ rule: { case: "any", value: true } }],
    principals: callers.map((matchPattern) => ({
      identifier: { case: "authenticated", value: { principalName: { matchPattern } } },
    })),
  };
}
