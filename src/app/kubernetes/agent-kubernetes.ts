import { type ApiAccess, openKubeConnection } from "../../discovery/io/kubernetes/api-access.ts";
import type { TrustDomain } from "../../mesh/ids.ts";
import type { Clock, Log } from "../../mesh/ports.ts";
import type { KubernetesConfig } from "../config/kubernetes/kubernetes-config.ts";
import { type Prove, proveByToken } from "./token-identity.ts";

/** What an agent is for its own cluster, over one pool of connections to its API server. */
export interface AgentKubernetes extends AsyncDisposable {
  /** Absent: tokens buy nothing here. */
  readonly prove?: Prove;
}

/** Connects to nobody yet. Throws MESH_CONFIG_INVALID and MESH_FILE_UNREADABLE. */
export async function openAgentKubernetes(
  config: KubernetesConfig,
  parts: { readonly trustDomain: TrustDomain; readonly clock: Clock; readonly log: Log },
): Promise<AgentKubernetes> {
  const connection = await openKubeConnection(accessOf(config), parts);
  const { api } = connection;
  const { identity } = config;
  return {
    ...(identity === undefined ? {} : { prove: proveByToken({ config: identity, api, ...parts }) }),
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  };
}

function accessOf({ access }: KubernetesConfig): ApiAccess {
  const { kubeconfig, context } = access;
  if (kubeconfig === undefined) return { t: "in-cluster" };
  return { t: "kubeconfig", path: kubeconfig, ...(context === undefined ? {} : { context }) };
}
