import type { Clock, Log } from "../../mesh/ports.ts";
import type { Finding } from "../../mesh/service.ts";
import type { Telemetry } from "../../telemetry/registry.ts";
import type { AgentConfig } from "../config/config.ts";
import type { AgentKubernetes } from "../kubernetes/agent-kubernetes.ts";
import type { MemberLease } from "../kubernetes/member-lease.ts";
import type { AgentCore } from "./core/agent-core.ts";
import type { OpenedDesk } from "./desk/open-desk.ts";
import type { AgentFederation } from "./federation/open-federation.ts";
import type { DiskWatch } from "./files/disk-watch.ts";
import type { SecretWatch } from "./files/secret-watch.ts";
import type { IssuerRenewal } from "./issuer/issuer-renewal.ts";
import type { RenewalAlarms } from "./issuer/renewal-alarms.ts";
import type { AgentProxies } from "./proxies/agent-proxies.ts";
import type { EngineWatch } from "./proxies/engine-watch.ts";
import type { ProxyWatch } from "./proxies/proxy-watch.ts";
import type { ReplicaWatch } from "./replicas/replica-watch.ts";
import type { AgentRotation } from "./rotation/open-rotation.ts";
import { rotationFindings } from "./rotation/rotation-status.ts";
import type { ExportWatch } from "./sidecars/export-watch.ts";
import type { AgentTrust } from "./trust/agent-trust.ts";

/** A running agent as its HTTP port and its metrics look at it. */
export interface AgentView {
  readonly config: AgentConfig;
  readonly core: AgentCore;
  readonly trust: AgentTrust;
  readonly alarms: RenewalAlarms;
  readonly desk: OpenedDesk;
  readonly federation: AgentFederation;
  readonly rotation: AgentRotation;
  readonly issuer: IssuerRenewal;
  readonly proxies: AgentProxies;
  readonly replicas: ReplicaWatch;
  readonly proxyWatch: ProxyWatch;
  readonly exportWatch: ExportWatch;
  readonly engines: EngineWatch;
  readonly disk: DiskWatch;
  readonly secrets: SecretWatch;
  /** Absent: it is nothing to a cluster. */
  readonly cluster?: AgentKubernetes;
  /** Absent: no Lease says who writes. */
  readonly lease?: MemberLease;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly log: Log;
  readonly startedAtMs: number;
}

/** All that an operator should know of. */
export function findingsOf(view: AgentView): readonly Finding[] {
  const all = [
    view.core,
    view.alarms,
    view.desk,
    view.federation,
    view.issuer,
    view.replicas,
    view.proxyWatch,
    view.exportWatch,
    view.engines,
    view.disk,
    view.secrets,
    view.cluster,
  ];
  return [...all.flatMap((one) => one?.findings() ?? []), ...rotationFindings(view)];
}
