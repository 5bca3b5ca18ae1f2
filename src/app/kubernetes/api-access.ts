import type { ApiAccess } from "../../discovery/io/kubernetes/api-access.ts";
import type { KubernetesConfig } from "../config/kubernetes/kubernetes-config.ts";

/** Which API server the configuration means. */
export function accessOf({ access }: Pick<KubernetesConfig, "access">): ApiAccess {
  const { kubeconfig, context } = access;
  if (kubeconfig === undefined) return { t: "in-cluster" };
  return { t: "kubeconfig", path: kubeconfig, ...(context === undefined ? {} : { context }) };
}
