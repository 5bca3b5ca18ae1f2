import { openKubeConnection } from "../../discovery/io/kubernetes/api-access.ts";
import { startPolicyAnswers } from "../../discovery/io/kubernetes/policies/policy-answers.ts";
import type { TrustDomain } from "../../mesh/ids.ts";
import type { Clock, Log, Random } from "../../mesh/ports.ts";
import type { KubernetesConfig } from "../config/kubernetes/kubernetes-config.ts";
import { accessOf } from "./api-access.ts";
import { type Prove, proveByToken } from "./token-identity.ts";

/** What an agent is for its own cluster, over one pool of connections to its API server. */
export interface AgentKubernetes extends AsyncDisposable {
  /** Absent: tokens buy nothing here. */
  readonly prove?: Prove;
}

/** Waits for nobody. Throws MESH_CONFIG_INVALID and MESH_FILE_UNREADABLE. */
export async function openAgentKubernetes(
  config: KubernetesConfig,
  parts: {
    readonly trustDomain: TrustDomain;
    /** Of a member's agents one writes. */
    readonly isLeader: () => boolean;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
  },
): Promise<AgentKubernetes> {
  await using opened = new AsyncDisposableStack();
  const connection = opened.use(await openKubeConnection(accessOf(config), parts));
  const { api, open } = connection;
  const { identity } = config;
  opened.use(startPolicyAnswers({ api, open, ...parts }));
  const owned = opened.move();
  return {
    ...(identity === undefined ? {} : { prove: proveByToken({ config: identity, api, ...parts }) }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
