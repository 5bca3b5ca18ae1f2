/** Kinds of objects that are followed. */
export type WatchedKind =
  | "Service"
  | "EndpointSlice"
  | "ServiceExport"
  | "ImportPolicy"
  | "WorkloadGroup"
  | "Pod"
  | "Node"
  | "Namespace";

/** How a kind is asked for. */
export interface KindRules {
  readonly kind: WatchedKind;
  /** As RBAC rules name it, `endpointslices.discovery.k8s.io`. */
  readonly resource: string;
  /** Below the server's address, best version first. */
  readonly groups: readonly string[];
  readonly plural: string;
  readonly isNamespaced: boolean;
  /** It is defined by an object of the cluster, which may not be there. */
  readonly isOptional: boolean;
}

const watchedKinds: readonly KindRules[] = [
  core("Service", { plural: "services", isNamespaced: true }),
  {
    kind: "EndpointSlice",
    resource: "endpointslices.discovery.k8s.io",
    groups: ["/apis/discovery.k8s.io/v1"],
    plural: "endpointslices",
    isNamespaced: true,
    isOptional: false,
  },
  {
    kind: "ServiceExport",
    resource: "serviceexports.multicluster.x-k8s.io",
    groups: ["/apis/multicluster.x-k8s.io/v1beta1", "/apis/multicluster.x-k8s.io/v1alpha1"],
    plural: "serviceexports",
    isNamespaced: true,
    isOptional: true,
  },
  {
    kind: "ImportPolicy",
    resource: "importpolicies.isthmus.dev",
    groups: ["/apis/isthmus.dev/v1alpha1"],
    plural: "importpolicies",
    isNamespaced: false,
    isOptional: true,
  },
  {
    kind: "WorkloadGroup",
    resource: "workloadgroups.isthmus.dev",
    groups: ["/apis/isthmus.dev/v1alpha1"],
    plural: "workloadgroups",
    isNamespaced: true,
    isOptional: true,
  },
  core("Pod", { plural: "pods", isNamespaced: true }),
  core("Node", { plural: "nodes", isNamespaced: false }),
  core("Namespace", { plural: "namespaces", isNamespaced: false }),
];

function core(
  kind: WatchedKind,
  { plural, isNamespaced }: Pick<KindRules, "plural" | "isNamespaced">,
): KindRules {
  return { kind, resource: plural, groups: ["/api/v1"], plural, isNamespaced, isOptional: false };
}

/** One list that is followed. */
export interface WatchedList {
  readonly rules: KindRules;
  /** Absent: of the whole cluster. */
  readonly namespace?: string;
  readonly paths: readonly string[];
}

/**
 * The lists to follow. Who may look into some namespaces only may not look at nodes, namespaces and
 * import policies, which belong to the cluster: zones then come from the EndpointSlices alone. Workload
 * groups are of use only to who lets workloads register.
 */
export function watchedLists(
  namespaces: readonly string[] | undefined,
  { readsGroups = false }: { readonly readsGroups?: boolean } = {},
): readonly WatchedList[] {
  const kinds = watchedKinds.filter(({ kind }) => readsGroups || kind !== "WorkloadGroup");
  if (namespaces === undefined) {
    return kinds.map((rules) => ({
      rules,
      paths: rules.groups.map((group) => `${group}/${rules.plural}`),
    }));
  }
  const inside = kinds.filter(({ isNamespaced }) => isNamespaced);
  return inside.flatMap((rules) =>
    namespaces.map((namespace) => ({
      rules,
      namespace,
      paths: rules.groups.map((group) => `${group}/namespaces/${namespace}/${rules.plural}`),
    })),
  );
}
