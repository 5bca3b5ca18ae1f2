import { injectLabel } from "../../../mesh/injection.ts";
import type { KubeNamespace } from "./nodes.ts";
import type { KubePod } from "./pods.ts";

/** Pods without a sidecar that could have one, by whose word counts for them. */
export interface BarePods {
  readonly add: (pod: KubePod) => void;
  readonly delete: (pod: KubePod) => void;
  /** Those that are to have one. Costs what they cost, not what the cluster holds. */
  readonly wanted: (namespaces: ReadonlyMap<string, KubeNamespace>) => Iterable<KubePod>;
}

// As `deploy/base/agent/injector.yaml` and the webhook itself have it: nobody is asked for these.
const neverIn: ReadonlySet<string> = new Set([
  "kube-system",
  "kube-node-lease",
  "kube-public",
  "isthmus-system",
]);

/** Whether the pod is to have a sidecar, by its own label or its namespace's. */
export function asksForSidecar(
  pod: Pick<KubePod, "key" | "injection">,
  namespaces: ReadonlyMap<string, KubeNamespace>,
): boolean {
  const namespace = namespaceOf(pod);
  if (neverIn.has(namespace)) return false;
  return (pod.injection || namespaces.get(namespace)?.labels[injectLabel]) === "enabled";
}

export function createBarePods(): BarePods {
  /** Their own label asks. */
  const asking = new Set<KubePod>();
  /** Their namespace decides. */
  const byNamespace = new Map<string, Set<KubePod>>();
  return {
    add(pod) {
      const namespace = namespaceOf(pod);
      if (pod.sidecar !== "lacks" || neverIn.has(namespace)) return;
      if (pod.injection === "enabled") asking.add(pod);
      else if (pod.injection === "") {
        byNamespace.set(namespace, (byNamespace.get(namespace) ?? new Set()).add(pod));
      }
    },
    delete(pod) {
      asking.delete(pod);
      const namespace = namespaceOf(pod);
      const others = byNamespace.get(namespace);
      if (others?.delete(pod) === true && others.size === 0) byNamespace.delete(namespace);
    },
    *wanted(namespaces) {
      yield* asking;
      for (const [namespace, pods] of byNamespace) {
        if (namespaces.get(namespace)?.labels[injectLabel] === "enabled") yield* pods;
      }
    },
  };
}

function namespaceOf({ key }: Pick<KubePod, "key">): string {
  return key.slice(0, key.indexOf("/"));
}
