import type { GatewayWatch } from "../../discovery/io/kubernetes/gateway-watch.ts";
import type { Clock, Log } from "../../mesh/ports.ts";
import type { Finding } from "../../mesh/service.ts";
import type { Telemetry } from "../../telemetry/registry.ts";
import type { AgentConfig } from "../config/config.ts";
import type { Imports } from "../kubernetes/imports.ts";
import type { RunningWebhook } from "../kubernetes/webhook/webhook.ts";
import type { AgentCore } from "./agent-core.ts";
import type { AgentProxies } from "./agent-proxies.ts";
import type { AgentTrust } from "./agent-trust.ts";
import type { OpenedDesk } from "./desk/open-desk.ts";
import type { DiskWatch } from "./disk-watch.ts";
import type { EngineWatch } from "./engine-watch.ts";
import type { IssuerRenewal } from "./issuer/issuer-renewal.ts";
import type { ProxyWatch } from "./proxy-watch.ts";
import type { ReplicaWatch } from "./replicas/replica-watch.ts";
import type { SecretWatch } from "./secret-watch.ts";

/** A running agent as its HTTP port and its metrics look at it. */
export interface AgentView {
  readonly config: AgentConfig;
  readonly core: AgentCore;
  readonly trust: AgentTrust;
  readonly desk: OpenedDesk;
  readonly issuer: IssuerRenewal;
  readonly proxies: AgentProxies;
  readonly replicas: ReplicaWatch;
  readonly proxyWatch: ProxyWatch;
  readonly engines: EngineWatch;
  readonly disk: DiskWatch;
  readonly secrets: SecretWatch;
  /** Absent: it imports nothing into a cluster. */
  readonly imports?: Imports;
  /** Absent: the gateways' addresses are written down. */
  readonly gateways?: GatewayWatch;
  /** Absent: API servers get no sidecars from it. */
  readonly webhook?: RunningWebhook;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly log: Log;
  readonly startedAtMs: number;
}

/** All that an operator should know of. */
export function findingsOf(view: AgentView): readonly Finding[] {
  const {
    core,
    desk,
    issuer,
    replicas,
    proxyWatch,
    engines,
    disk,
    secrets,
    imports,
    gateways,
    webhook,
  } = view;
  const all = [
    core,
    desk,
    issuer,
    replicas,
    proxyWatch,
    engines,
    disk,
    secrets,
    imports,
    gateways,
    webhook,
  ];
  return all.flatMap((one) => one?.findings() ?? []);
}
