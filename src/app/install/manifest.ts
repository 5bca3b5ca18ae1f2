import { stringify } from "yaml";

/** One Kubernetes object out of a file. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

// What others need comes first. Webhooks come last: until agents answer, they would hold up pods.
const order = [
  "Namespace",
  "CustomResourceDefinition",
  "PriorityClass",
  "ServiceAccount",
  "ClusterRole",
  "Role",
  "ClusterRoleBinding",
  "RoleBinding",
  "ConfigMap",
  "Service",
  "NetworkPolicy",
  "PodDisruptionBudget",
  "StatefulSet",
  "Deployment",
  "HorizontalPodAutoscaler",
];

/** In the order in which they are applied; for deletion take it from the end. */
export function inOrder(manifests: readonly Manifest[]): readonly Manifest[] {
  const rank = ({ kind }: Manifest): number => {
    const index = order.indexOf(kind);
    return index === -1 ? order.length : index;
  };
  return manifests.toSorted((left, right) => rank(left) - rank(right));
}

/** YAML that kubectl reads, in whose version of it `yes` and `on` are no texts. */
export function printManifests(manifests: readonly Manifest[]): string {
  return manifests
    .map((manifest) =>
      stringify(manifest, { aliasDuplicateObjects: false, lineWidth: 0, version: "1.1" }),
    )
    .join("---\n");
}

/** What `kubectl delete -f` needs of each, in the order in which it is safe. */
export function deletionOf(manifests: readonly Manifest[]): readonly Manifest[] {
  return inOrder(manifests)
    .toReversed()
    .map(({ apiVersion, kind, metadata: { name, namespace } }) => ({
      apiVersion,
      kind,
      metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
    }));
}
