import type { MemberName, NetworkName, ServiceId, SpiffeId } from "../mesh/ids.ts";
import type { Endpoint, LocalService, ServicePort, ServiceType } from "../mesh/service.ts";

/** Endpoints of one export in one zone of its member, counted by their owner. */
export interface ZoneCount {
  readonly zone: string;
  readonly healthy: number;
  readonly total: number;
  /** On their way out and still serving what they have; in neither of the other counts. Absent: none. */
  readonly draining?: number;
  /** Requests per second the zone can take, where its owner knows. */
  readonly capacity?: number;
}

/** One resolved address of another member's gateway, allowed by its charter entry. */
export interface GatewayHost {
  /** IP literal. */
  readonly address: string;
  readonly port: number;
  /** The last probes of this very address succeeded. */
  readonly isAlive: boolean;
  /** Of its member; absent: it serves all zones alike. */
  readonly zone?: string;
  /** Its member says that it is on its way out: no new connections. */
  readonly isDraining?: true;
}

/** What another member offers of a service, after the charter and the import rules were applied. */
export interface RemoteExport {
  readonly member: MemberName;
  readonly cloud: string;
  readonly region: string;
  readonly network: NetworkName;
  /** Order among members of other regions, nearest first by measured round-trip time; ties share a rank. */
  readonly rank: number;
  readonly ports: readonly ServicePort[];
  readonly identities: readonly SpiffeId[];
  readonly zones: readonly ZoneCount[];
  readonly gateways: readonly GatewayHost[];
  /** Only for members of the own network; then used instead of the gateways. */
  readonly endpoints: readonly Endpoint[];
  /** False: its endpoints are UNHEALTHY here, because the member is held for dead and others can serve. */
  readonly isUsable: boolean;
  /**
   * Its gateways answer again, for too short a time to be trusted: no new connections, and those that
   * it carried as a last resort stay. Only where `isUsable` is false.
   */
  readonly isReturning: boolean;
  /** 0..1 of its weight: less than 1 while it returns from a failure. */
  readonly share: number;
}

/** One service as proxies of this member see it. Everything a resource builder needs. */
export interface MeshService {
  readonly id: ServiceId;
  readonly type: ServiceType;
  /** Union by name; on conflict the local definition, then the oldest export. */
  readonly ports: readonly ServicePort[];
  readonly local?: LocalService;
  readonly remotes: readonly RemoteExport[];
  /**
   * Whether `cluster.local` reaches the remotes too: the local service is exported, or there is none.
   * `clusterset.local` exists when anyone exports it.
   */
  readonly isLocalNameShared: boolean;
}
