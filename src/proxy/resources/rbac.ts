import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type PolicySchema,
  type PrincipalSchema,
  RBAC_Action,
} from "../../xds/gen/envoy/config/rbac/v3/rbac_pb.ts";
import { RBACSchema } from "../../xds/gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts";
import type { TrustView } from "../trust-view.ts";
import type { Extension } from "./wire.ts";
import { extension } from "./wire.ts";

type PolicyInit = MessageInitShape<typeof PolicySchema>;
type PrincipalInit = MessageInitShape<typeof PrincipalSchema>;
type Contains = { readonly case: "contains"; readonly value: string };

/** A caller's SPIFFE ID, whole or by its beginning. */
export type CallerMatch = { readonly case: "exact" | "prefix"; readonly value: string };

/** Lets in whoever matches; nobody when the list is empty. Judged once per connection. */
export function allowCallers(callers: readonly CallerMatch[]): Extension {
  return rbac(callers.length === 0 ? {} : { callers: policyFor(callers.map(named)) });
}

/** The workload that callers come to. */
export interface Callee {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/**
 * Lets in the workloads of every member of the mesh, and of foreign trust domains those that are named for this
 * callee; which members there are, the validation context says.
 * A listener that named them would be another one with each member that joins, and Envoy ends the
 * connections of what it replaced. That is why the denied ones are named, and nobody else.
 */
export function allowWorkloads(
  { ownTrustDomain, denied = [], federated = [] }: TrustView,
  callee: Callee,
): Extension {
  const mesh = ownTrustDomain.slice(ownTrustDomain.indexOf("."));
  // A foreign path may hold any words, those of a member too.
  const others = [...denied, ...federated.map(({ trustDomain }) => trustDomain)];
  const ids = [
    named({ case: "contains", value: `${mesh}/ns/` }),
    ...others.sort().map((domain): PrincipalInit => {
      const value = named({ case: "prefix", value: `spiffe://${domain}/` });
      return { identifier: { case: "notId", value } };
    }),
  ];
  const [any] = ids;
  const all: PrincipalInit = { identifier: { case: "andIds", value: { ids } } };
  const members = any !== undefined && ids.length === 1 ? any : all;
  return rbac({ callers: policyFor([members, ...foreignCallers(federated, callee)]) });
}

function foreignCallers(
  federated: NonNullable<TrustView["federated"]>,
  { namespace, serviceAccount }: Callee,
): readonly PrincipalInit[] {
  const account = `${namespace}/${serviceAccount}`;
  const ids = federated.flatMap(({ callers }) =>
    callers.filter(({ to }) => to.includes(account)).map(({ id }) => id),
  );
  return ids.sort().map((value) => named({ case: "exact", value }));
}

function rbac(policies: Readonly<Record<string, PolicyInit>>): Extension {
  const rules = { action: RBAC_Action.ALLOW, policies };
  return extension("envoy.filters.network.rbac", RBACSchema, { statPrefix: "callers", rules });
}

function named(matchPattern: CallerMatch | Contains): PrincipalInit {
  return { identifier: { case: "authenticated", value: { principalName: { matchPattern } } } };
}

function policyFor(principals: readonly PrincipalInit[]): PolicyInit {
  return {
    permissions: [{ rule: { case: "any", value: true } }],
    principals: [...principals],
  };
}
