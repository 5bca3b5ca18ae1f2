import type { Level } from "../mesh/locality.ts";
import type { Finding, Health } from "../mesh/service.ts";
import type { XdsType } from "../xds/resource.ts";

/**
 * What `/api/v1/` answers and `--json` prints. Field names are stable: they are added, never renamed.
 * Plain words instead of branded ids, because a reader of JSON has no brands.
 */
export interface StatusAnswer {
  readonly mesh: string;
  readonly member: string;
  readonly version: string;
  readonly upMs: number;
  /** Whether xDS streams are served. */
  readonly isWarm: boolean;
  /** What is waited for; empty when warm. */
  readonly waitingFor: readonly string[];
  readonly charterNumber: number;
  /** While the root is rotated: the step, and the members that are waited for. */
  readonly rotation?: { readonly step: string; readonly waitsFor: readonly string[] };
  readonly catalog: {
    /** Names of the hubs. */
    readonly store: string;
    /** `synced` while some hub holds all that this member publishes; `standby`: a replica writes. */
    readonly state: string;
    readonly epoch: number | undefined;
    readonly seq: number | undefined;
    readonly hubs: readonly HubAnswer[];
    /** Withdrawals that wait for an operator's word, or for their time. */
    readonly held: HeldAnswer | undefined;
    /** The other instance that writes as this member. */
    readonly heldBy: { readonly instance: string; readonly host: string } | undefined;
    /** The other agents of this member. */
    readonly replicas: readonly {
      readonly address: string;
      readonly isReachable: boolean;
      readonly forMs: number;
    }[];
  };
  readonly services: { readonly local: number; readonly exported: number; readonly remote: number };
  readonly members: Readonly<Record<string, number>>;
  /** Those of other members that do not answer, or have no address. */
  readonly silentGateways: readonly (Pick<
    GatewayAnswer,
    "address" | "name" | "state" | "lastError"
  > & { readonly member: string })[];
  readonly proxies: {
    readonly sidecars: number;
    readonly gateways: number;
    /** gRPC programs without a sidecar. */
    readonly programs: number;
    readonly refusing: number;
  };
  /** Absent: the agent is nothing to a cluster. */
  readonly kubernetes: KubernetesAnswer | undefined;
  readonly findings: { readonly error: number; readonly warning: number; readonly info: number };
  readonly identities: readonly { readonly id: string; readonly notAfterMs: number }[];
}

/** What the agent is for its own cluster. */
export interface KubernetesAnswer {
  readonly apiServer: {
    readonly url: string;
    readonly isReachable: boolean;
    /** Since it was last heard; absent: not yet. */
    readonly heardAgoMs: number | undefined;
    /** Of what was asked since, without an answer. */
    readonly lastError: { readonly reason: string; readonly agoMs: number } | undefined;
  };
  /** Absent: no Lease says which agent writes. */
  readonly lease:
    | {
        /** `NAMESPACE/NAME` */
        readonly name: string;
        /** `doubtful`: it led, and cannot show any more that it does. */
        readonly state: "unknown" | "leader" | "doubtful" | "follower";
        /** Host of the agent that leads, where it is another one. */
        readonly holder: string | undefined;
      }
    | undefined;
  /** Absent: nothing is imported into the cluster. */
  readonly imports:
    | {
        /** All ServiceImports were read. */
        readonly isKnown: boolean;
        readonly imports: number;
        /** Services to be looked at, or written. */
        readonly waiting: number;
      }
    | undefined;
  /** Absent: pods get no sidecar from it. */
  readonly webhook:
    | {
        /** Of the MutatingWebhookConfiguration. */
        readonly configuration: string;
        /** Why API servers may not find the webhook, or not trust it. */
        readonly problem: string | undefined;
        /** Of the certificate that it shows. */
        readonly notAfterMs: number;
      }
    | undefined;
}

/** More than half of the exports vanished at once: they stay published for a while. */
export interface HeldAnswer {
  readonly services: readonly string[];
  /** Until the first of them goes by itself. */
  readonly forMs: number;
  /** Names exactly these services: what `isthmus catalog confirm` is told. */
  readonly code: string;
}

export interface HubAnswer {
  readonly name: string;
  /** `synced`, `behind`, `read-only`, `write-only`, `unreachable`. */
  readonly state: string;
  /** For how long it has been so. */
  readonly forMs: number;
  /** The last one since the agent started, also when all is well again. */
  readonly lastError: { readonly reason: string; readonly agoMs: number } | undefined;
  /** Why it refuses the credentials of now, though its connections still work. */
  readonly refusal: string | undefined;
  /**
   * Which of its servers is asked and written: a sentinel's master, a cluster's node; and for how long it
   * has been this one. Undefined while none is, and for a catalog in memory.
   */
  readonly server: { readonly address: string; readonly forMs: number } | undefined;
}

export interface MemberAnswer {
  readonly name: string;
  readonly cloud: string;
  readonly region: string;
  readonly network: string;
  /** From the charter. */
  readonly standing: string;
  /** As seen from here; `self` for the agent's own. */
  readonly state: string;
  readonly lease: string;
  readonly isUsable: boolean;
  readonly share: number;
  readonly exports: number;
  /** Since the last new beat. */
  readonly ageMs: number | undefined;
  readonly rttMs: number | undefined;
  readonly rank: number | undefined;
  readonly gateways: readonly GatewayAnswer[];
  readonly software: string | undefined;
}

export interface GatewayAnswer {
  readonly address: string;
  readonly isAlive: boolean;
  readonly rttMs: number | undefined;
  /** As its member states it; differs from the address where that is a DNS name. */
  readonly name: string;
  /** Of its member; undefined: it serves all zones alike. */
  readonly zone: string | undefined;
  /**
   * `live`; `unknown`: not probed yet, used; `trial`: new, used once it answers; `silent`; `draining`:
   * its member says so; `leaving`: DNS has others, which do not answer; `unresolved`: no address yet;
   * `unheard`, of the agent's own member: no gateway says that it serves there.
   */
  readonly state:
    | "live"
    | "unknown"
    | "trial"
    | "silent"
    | "draining"
    | "leaving"
    | "unresolved"
    | "unheard";
  /** Since DNS last answered for its name; undefined for an IP address. */
  readonly resolvedMs: number | undefined;
  /** Of its last probe that failed, also when it answers again; where it has no address, of DNS. */
  readonly lastError: { readonly reason: string; readonly agoMs: number } | undefined;
}

export interface ServiceAnswer {
  readonly service: string;
  readonly type: string;
  readonly ports: readonly {
    readonly name: string;
    readonly port: number;
    readonly protocol: string;
  }[];
  readonly isExported: boolean;
  /** Whether `cluster.local` reaches the other members too. */
  readonly isShared: boolean;
  readonly local:
    | { readonly healthy: number; readonly total: number; readonly proven: number }
    | undefined;
  readonly remotes: readonly {
    readonly member: string;
    readonly healthy: number;
    readonly total: number;
    readonly isUsable: boolean;
  }[];
  /** Members that export it, and import policies keep out of it here. */
  readonly keptOut: readonly KeptOutAnswer[];
}

/** In the order in which a sidecar tries. */
export interface KeptOutAnswer {
  readonly member: string;
  readonly healthy: number;
  readonly total: number;
  /** Names of the policies. */
  readonly policies: readonly string[];
}

export interface EndpointsAnswer {
  readonly service: string;
  readonly port: number;
  readonly host: string;
  readonly from: { readonly member: string; readonly zone: string };
  /** From another member than the agent's own: put together from what the catalog tells. */
  readonly isEstimate: boolean;
  /** Sentences that say what such an estimate rests on; empty where it is none. */
  readonly known: readonly string[];
  readonly assumed: readonly string[];
  /** Members that export it, and import policies keep out of it here; of the agent's own member only. */
  readonly keptOut: readonly KeptOutAnswer[];
  readonly endpoints: readonly EndpointAnswer[];
}

export interface EndpointAnswer {
  readonly priority: number;
  readonly level: Level;
  readonly member: string;
  readonly region: string;
  readonly zone: string;
  /** Empty where only its member knows it: then `count` says how many the line stands for. */
  readonly address: string;
  readonly count?: number;
  readonly via: "sidecar" | "plaintext" | "gateway" | "placeholder";
  readonly health: Health;
  /** 0..1 of the new requests of a caller there. */
  readonly share: number;
  readonly why: string;
}

export interface ProxyAnswer {
  readonly node: string;
  readonly role: string;
  readonly engine: string;
  readonly zone: string;
  readonly identity: string | undefined;
  readonly userAgent: string;
  readonly connectedMs: number;
  readonly isStuck: boolean;
  readonly types: readonly {
    readonly type: XdsType;
    /** Resources it was told. */
    readonly held: number;
    readonly unanswered: number;
    readonly refused: number;
    readonly lastNack: string | undefined;
  }[];
}

export interface ProxyConfigAnswer {
  readonly node: string;
  readonly resources: readonly {
    readonly type: XdsType;
    readonly name: string;
    readonly version: string;
    readonly state: string;
    /** As Envoy's own JSON; no private key is ever part of a resource. */
    readonly resource: unknown;
  }[];
}

/** What proxies of this member reported; a second is shown when it has closed, two seconds later. */
export interface LoadAnswer {
  readonly member: string;
  /** What rates, ratios and latencies are taken over. */
  readonly seconds: number;
  /** How far back the agent remembers. */
  readonly historySeconds: number;
  /** Proxies that report now. */
  readonly reporters: number;
  readonly rows: readonly LoadRowAnswer[];
}

/** One service × upstream locality. */
export interface LoadRowAnswer {
  readonly service: string;
  /** Who serves; empty: no host was tried. */
  readonly member: string;
  /** `gateway`: behind the gateways of its member. */
  readonly zone: string;
  /** `sidecar`: what callers here do; `gateway`: what other members send here. */
  readonly by: "sidecar" | "gateway";
  /** Connections or, where the proxy speaks HTTP, requests. */
  readonly begunPerSecond: number;
  /** 0..1; absent without any. */
  readonly successRatio: number | undefined;
  /** Counts by kind over `seconds`; kinds without any are left out. */
  readonly errors: Readonly<Record<string, number>>;
  /** Until the connection stood, handshake included; absent where the proxy measures none. */
  readonly connect: LoadLatency | undefined;
  /** From then to the first byte of the upstream; of an Envoy, to the end of an HTTP answer. */
  readonly firstByte: LoadLatency | undefined;
  readonly active: number;
  readonly receivedBytesPerSecond: number;
  readonly sentBytesPerSecond: number;
  /** Per second, oldest first. */
  readonly begun: readonly number[];
  readonly failed: readonly number[];
}

export interface LoadLatency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface FindingsAnswer {
  readonly findings: readonly Finding[];
}

export interface ErrorAnswer {
  readonly code: string;
  readonly message: string;
}

/** What a change of the charter made. */
export interface CharterAnswer {
  /** Of the charter that is in force now. */
  readonly number: number;
}

/** `isthmus trust rotate status`: how far a rotation of the root has come, as this agent sees it. */
export interface RotationAnswer {
  readonly step: "idle" | "prepared" | "publishing" | "activating" | "draining" | "retiring";
  readonly charterNumber: number;
  /** Nobody is missing who was not waived. */
  readonly isReady: boolean;
  /** SHA-256 (hex) of the SubjectPublicKeyInfo of the root that goes; absent when none is under way. */
  readonly from?: string;
  readonly to?: string;
  readonly startedMs?: number;
  /** It runs backwards, after an abort. */
  readonly isUndone?: boolean;
  readonly members: readonly RotationMemberAnswer[];
}

export interface RotationMemberAnswer {
  readonly name: string;
  readonly isWaived: boolean;
  /** What is not done there; empty: all is. */
  readonly reasons: readonly string[];
  /** Absent: it never said. */
  readonly proxies?: {
    readonly connected: number;
    readonly acknowledged: number;
    readonly silent: number;
    readonly old: number;
    /** Node ids of some that are not done. */
    readonly late: readonly string[];
  };
}

/** How far a member is on its way out. */
export interface LeaveAnswer {
  readonly isLeaving: boolean;
  readonly members: readonly LeaveMemberAnswer[];
}

export interface LeaveMemberAnswer {
  readonly name: string;
  /** `asked`: it is there and has not confirmed; `silent`: its control plane is not heard. */
  readonly state: "asked" | "confirmed" | "silent";
}
