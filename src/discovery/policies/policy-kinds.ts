import type { ResourceType } from "../kubernetes/kube-api.ts";

/** One kind of objects whose status says what this version makes of them. */
export interface PolicyKind {
  readonly kind: string;
  readonly type: ResourceType;
}

/** Of `isthmus.dev/v1alpha1`; `deploy/crds` defines them. */
export const policyKinds: readonly PolicyKind[] = [
  policy("AccessPolicy", "accesspolicies"),
  policy("Drill", "drills"),
  policy("DrillPolicy", "drillpolicies"),
  policy("FailoverPolicy", "failoverpolicies"),
  policy("ImportPolicy", "importpolicies"),
  policy("Scope", "scopes"),
  policy("WorkloadGroup", "workloadgroups"),
];

/** Of the Gateway API, where a cluster has it. */
export const routeKind: PolicyKind = {
  kind: "HTTPRoute",
  type: { group: "gateway.networking.k8s.io", version: "v1", resource: "httproutes" },
};

function policy(kind: string, resource: string): PolicyKind {
  return { kind, type: { group: "isthmus.dev", version: "v1alpha1", resource } };
}
