import type { ResourceType } from "../kubernetes/kube-api.ts";

/** One kind of `isthmus.dev/v1alpha1`; `deploy/crds` defines them. */
export interface PolicyKind {
  readonly kind: string;
  readonly type: ResourceType;
}

export const policyKinds: readonly PolicyKind[] = [
  policy("AccessPolicy", "accesspolicies"),
  policy("Drill", "drills"),
  policy("DrillPolicy", "drillpolicies"),
  policy("FailoverPolicy", "failoverpolicies"),
  policy("ImportPolicy", "importpolicies"),
  policy("Scope", "scopes"),
  policy("WorkloadGroup", "workloadgroups"),
];

function policy(kind: string, resource: string): PolicyKind {
  return { kind, type: { group: "isthmus.dev", version: "v1alpha1", resource } };
}
