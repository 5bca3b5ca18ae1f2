import type { ClusterKnowledge } from "../../../discovery/io/kubernetes/kubernetes-source.ts";
import { asksForSidecar } from "../../../discovery/sources/kubernetes/bare-pods.ts";
import type { Namespace } from "../../../mesh/ids.ts";
import type { Endpoint } from "../../../mesh/service.ts";

/** How a pod stands to a sidecar: it was made with one; is to have one; nobody asks for one; or it can have none. */
export type PodSidecar = "has" | "awaited" | "unasked" | "unfit";

/** What the clusters that are sources know of the pods behind endpoints. */
export interface KnownPods {
  /** Whether a sidecar was put into the pod of that address. */
  readonly isInjected: (address: string) => boolean;
  /** Undefined: no cluster knows a pod there. */
  readonly sidecarOf: (
    namespace: Namespace,
    endpoint: Pick<Endpoint, "workload" | "address">,
  ) => PodSidecar | undefined;
}

export function createKnownPods(clusters: readonly ClusterKnowledge[]): KnownPods {
  return {
    isInjected: (address) =>
      clusters.some(({ pods }) => pods.byAddress(address)?.sidecar === "has"),
    sidecarOf: (namespace, endpoint) => {
      for (const cluster of clusters) {
        const found = sidecarIn(cluster, { key: `${namespace}/${endpoint.workload}`, ...endpoint });
        if (found !== undefined) return found;
      }
      return undefined;
    },
  };
}

function sidecarIn(
  { pods, namespaces }: ClusterKnowledge,
  { key, address }: { readonly key: string; readonly address: string },
): PodSidecar | undefined {
  const pod = pods.byKey(key);
  // Without an address of its own it is on its node's network.
  const isIt = pod?.addresses.length === 0 || pod?.addresses.includes(address) === true;
  if (pod === undefined || !isIt) return undefined;
  if (pod.sidecar === "has") return "has";
  if (pod.sidecar === "cannot") return "unfit";
  return asksForSidecar(pod, namespaces) ? "awaited" : "unasked";
}
