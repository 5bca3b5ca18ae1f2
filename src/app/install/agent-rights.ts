import { policyKinds, routeKind } from "../../discovery/policies/policy-kinds.ts";

/** What an agent may do at its cluster's API server, and which of its parts does it. */
export interface AgentRight {
  /** Empty for the core group. */
  readonly group: string;
  /** With a subresource where only that is meant: `serviceexports/status`. */
  readonly resource: string;
  readonly verbs: readonly Verb[];
  /** Only the objects of these names. */
  readonly names?: readonly string[];
  /** In the agent's own namespace alone; absent: in the whole cluster. */
  readonly isOwnNamespace?: true;
  readonly neededBy: Part;
}

export type Verb = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete";

/** `source` reads, `imports` writes what other members export, `lease` elects, `identity` judges tokens, `policies` answers them. */
export type Part = "source" | "imports" | "lease" | "identity" | "injection" | "policies";

/**
 * The one list of what the code asks for: `deploy/base/agent/rights.yaml` grants exactly this, and a test
 * compares both with what an API server saw the parts do.
 */
export const agentRights: readonly AgentRight[] = [
  reads("", "services"),
  reads("discovery.k8s.io", "endpointslices"),
  reads("", "pods"),
  reads("", "nodes"),
  reads("", "namespaces"),
  reads("multicluster.x-k8s.io", "serviceexports"),
  // Server-side apply of what is not there needs both: create and patch.
  {
    group: "",
    resource: "services",
    verbs: ["create", "patch", "delete"],
    neededBy: "imports",
  },
  {
    group: "discovery.k8s.io",
    resource: "endpointslices",
    verbs: ["create", "patch", "delete"],
    neededBy: "imports",
  },
  {
    group: "multicluster.x-k8s.io",
    resource: "serviceimports",
    verbs: ["list", "watch", "create", "patch", "delete"],
    neededBy: "imports",
  },
  {
    group: "multicluster.x-k8s.io",
    resource: "serviceimports/status",
    verbs: ["patch"],
    neededBy: "imports",
  },
  {
    group: "multicluster.x-k8s.io",
    resource: "serviceexports/status",
    verbs: ["patch"],
    neededBy: "imports",
  },
  {
    group: "authentication.k8s.io",
    resource: "tokenreviews",
    verbs: ["create"],
    neededBy: "identity",
  },
  {
    group: "admissionregistration.k8s.io",
    resource: "mutatingwebhookconfigurations",
    verbs: ["get", "patch"],
    names: ["isthmus-injector"],
    neededBy: "injection",
  },
  {
    group: "coordination.k8s.io",
    resource: "leases",
    verbs: ["create"],
    isOwnNamespace: true,
    neededBy: "lease",
  },
  {
    group: "coordination.k8s.io",
    resource: "leases",
    verbs: ["get", "update"],
    names: ["isthmus-agent"],
    isOwnNamespace: true,
    neededBy: "lease",
  },
  ...[...policyKinds, routeKind].flatMap(({ type: { group, resource } }): readonly AgentRight[] => [
    { group, resource, verbs: ["list", "watch"], neededBy: "policies" },
    { group, resource: `${resource}/status`, verbs: ["patch"], neededBy: "policies" },
  ]),
];

function reads(group: string, resource: string): AgentRight {
  return { group, resource, verbs: ["list", "watch"], neededBy: "source" };
}
