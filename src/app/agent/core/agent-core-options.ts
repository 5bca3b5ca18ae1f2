import type { RotationRecord } from "../../../discovery/shards/rotation-record.ts";
import type { SnapshotStore } from "../../../discovery/shards/snapshot-store.ts";
import type { CatalogStore } from "../../../discovery/shards/store.ts";
import type { WorkloadSource } from "../../../discovery/source.ts";
import type { ResolveHost } from "../../../gateway/io/resolve-host.ts";
import type { ServiceId } from "../../../mesh/ids.ts";
import type { Clock, Log, Random } from "../../../mesh/ports.ts";
import type { Telemetry } from "../../../telemetry/registry.ts";
import type { AgentConfig } from "../../config/config.ts";
import type { MemberLease } from "../../kubernetes/member-lease.ts";
import type { ProxyAnswers } from "../policies/import-policies.ts";
import type { Registration } from "../registration/registration.ts";
import type { SidecarProofs } from "../sidecars/sidecar-proofs.ts";
import type { AgentTrust } from "../trust/agent-trust.ts";

export interface AgentCoreOptions {
  readonly config: AgentConfig;
  readonly trust: AgentTrust;
  readonly stores: readonly CatalogStore[];
  readonly snapshots: SnapshotStore;
  readonly proofs: SidecarProofs;
  /** Absent: the agent is alone, or the hubs say which replica writes. */
  readonly leadership?: MemberLease;
  readonly sources: readonly WorkloadSource[];
  /** Workloads that register themselves; absent: none do. */
  readonly registration?: Registration;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly telemetry: Telemetry;
  /** A new charter is in force: whoever is connected must be judged again. */
  readonly onCharter: () => void;
  /** The agent knows enough to serve, or all there is to know. */
  readonly onKnowledge: () => void;
  /** What is known of a service is another. */
  readonly onService?: (id: ServiceId) => void;
  /** Whether imports of the own cluster are known, as far as they are waited for. Default: there are none. */
  readonly areImportsKnown?: () => boolean;
  /** There are new proofs to be kept. */
  readonly onProofs: () => void;
  /** What proxies made of all they were sent. */
  readonly proxyAnswers: () => ProxyAnswers;
  /** How far proxies have followed a rotation of the root; undefined: none is under way. */
  readonly rotation?: () => RotationRecord | undefined;
  /** How names of gateways are resolved; default: as the system does. */
  readonly resolve?: ResolveHost;
}
