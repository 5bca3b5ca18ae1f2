import { openKubeConnection } from "../../discovery/io/kubernetes/api-access.ts";
import type { ApiHealth } from "../../discovery/io/kubernetes/api-health.ts";
import {
  type GatewayWatch,
  type GatewayWatchOptions,
  startGatewayWatch,
} from "../../discovery/io/kubernetes/gateway-watch.ts";
import { kubernetesSourceName } from "../../discovery/io/kubernetes/kubernetes-source.ts";
import { startPolicyAnswers } from "../../discovery/io/kubernetes/policies/policy-answers.ts";
import type { GroupStanding } from "../../discovery/policies/group-answer.ts";
import type { Programming } from "../../discovery/policies/import-answer.ts";
import type { MemberName, TrustDomain } from "../../mesh/ids.ts";
import type { Clock, Log, Random } from "../../mesh/ports.ts";
import type { Finding } from "../../mesh/service.ts";
import type { Telemetry } from "../../telemetry/registry.ts";
import type { AgentCore } from "../agent/core/agent-core.ts";
import type { KubernetesConfig } from "../config/kubernetes/kubernetes-config.ts";
import { accessOf } from "./api-access.ts";
import { type Imports, type ImportsOptions, startImports } from "./imports.ts";
import { type Prove, proveByToken } from "./token-identity.ts";
import { type RunningWebhook, startWebhook } from "./webhook/webhook.ts";

/** What an agent is for its own cluster, over one pool of connections to its API server. */
export interface AgentKubernetes extends AsyncDisposable {
  /** Absent: tokens buy nothing here. */
  readonly prove?: Prove;
  /** Absent: nothing is imported into this cluster. */
  readonly imports?: Imports;
  /** Absent: the gateways' addresses are written down. */
  readonly gateways?: GatewayWatch;
  /** Absent: API servers get no sidecars from it. */
  readonly webhook?: RunningWebhook;
  /** Of its API server. */
  readonly url: string;
  readonly health: () => ApiHealth;
  readonly findings: () => readonly Finding[];
}

/** Waits for nobody. Throws MESH_CONFIG_INVALID, MESH_FILE_UNREADABLE and MESH_LISTEN_FAILED. */
export async function openAgentKubernetes(
  config: KubernetesConfig,
  parts: {
    readonly self: MemberName;
    readonly trustDomain: TrustDomain;
    /** The roots in force, PEM. */
    readonly bundlePem: () => string;
    readonly core: ImportsOptions["core"] & Pick<AgentCore, "policies" | "standingOf">;
    readonly gateway?: Pick<GatewayWatchOptions, "service" | "onAddresses" | "refusalOf">;
    readonly refusalOf: ImportsOptions["refusalOf"];
    /** Of a member's agents one writes. */
    readonly isLeader: () => boolean;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
    readonly telemetry: Telemetry;
  },
): Promise<AgentKubernetes> {
  await using opened = new AsyncDisposableStack();
  const connection = opened.use(await openKubeConnection(accessOf(config), parts));
  const { api, open } = connection;
  const { identity, mcs, dns, webhook } = config;
  const source = kubernetesSourceName(connection.context);
  // An agent that is not warm may not have heard of its sources.
  const programmingOf = (name: string): Programming =>
    parts.core.isWarm() ? parts.core.policies.programmingOf(source, name) : { t: "waiting" };
  const standingOf = (group: string): GroupStanding => parts.core.standingOf(source, group);
  opened.use(startPolicyAnswers({ api, open, programmingOf, standingOf, ...parts }));
  const imports =
    mcs === undefined
      ? undefined
      : await startImports({ ...parts, api, open, mcs, ...(dns === undefined ? {} : { dns }) });
  if (imports !== undefined) opened.use(imports);
  const { gateway } = parts;
  const gateways =
    gateway === undefined ? undefined : startGatewayWatch({ ...parts, ...gateway, open });
  if (gateways !== undefined) opened.use(gateways);
  const injecting =
    webhook === undefined || identity === undefined
      ? undefined
      : await startWebhook(webhook, { ...parts, api, audience: identity.audience });
  if (injecting !== undefined) opened.use(injecting);
  const owned = opened.move();
  return {
    ...(identity === undefined ? {} : { prove: proveByToken({ config: identity, api, ...parts }) }),
    ...(imports === undefined ? {} : { imports }),
    ...(gateways === undefined ? {} : { gateways }),
    ...(injecting === undefined ? {} : { webhook: injecting }),
    url: connection.server,
    health: connection.health,
    findings: () => [imports, gateways, injecting].flatMap((one) => one?.findings() ?? []),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
