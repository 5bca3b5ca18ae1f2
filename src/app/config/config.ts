import type { RedisHub } from "../../discovery/io/catalog/redis/redis-hub.ts";
import type { HostPort } from "../../mesh/address.ts";
import type {
  MemberName,
  MeshDomain,
  Namespace,
  NetworkName,
  ServiceId,
  TrustDomain,
} from "../../mesh/ids.ts";
import type { GroupId } from "../../mesh/workload-group.ts";
import type { UnknownDestination } from "../../proxy/capture.ts";
import type { LogLevel } from "../../telemetry/names.ts";
import type { SignerPlace } from "../../trust/io/open-signer.ts";
import type { KubernetesConfig } from "./kubernetes/kubernetes-config.ts";
import type { TokenIssuerConfig } from "./token-issuers-config.ts";

/** What an agent is told; made by `loadAgentConfig` from `agent.yaml`, or by the demo. */
export interface AgentConfig {
  readonly mesh: MeshDomain;
  readonly member: AgentMember;
  readonly trust: TrustConfig;
  readonly catalog: CatalogConfig;
  readonly sources: readonly SourceConfig[];
  /** Absent: the agent does nothing for a cluster but read what its sources name. */
  readonly kubernetes?: KubernetesConfig;
  readonly gateway: {
    /** Where other members reach this member's gateways. */
    readonly addresses: readonly GatewayAddress[];
    /** Whose load balancer has the addresses instead. */
    readonly service?: GatewayService;
    /** What this member's gateways read of a ClientHello at most; absent: what a TLS record holds. */
    readonly maxClientHelloBytes?: number;
  };
  readonly xds: { readonly listen: HostPort; readonly socket?: XdsSocket };
  readonly http: { readonly listen: HostPort; readonly health?: HostPort };
  readonly logLevel: LogLevel;
}

export interface TrustConfig {
  /** Holds `member.pem`, `member.key`, `bundle.pem` and `charter.json`. Absolute. */
  readonly dir: string;
  /** Present in the agents that may use the root: they raise charters and issue members. */
  readonly signer?: SignerConfig;
  /** Agents, of whatever member, that may use the root: they renew this member's issuer. */
  readonly renewAt?: readonly HostPort[];
  /** Absent: service-account tokens are judged by the agent's own cluster, if it has one. */
  readonly tokenIssuers?: readonly TokenIssuerConfig[];
  /** Absent: other trust domains learn the mesh's roots elsewhere. */
  readonly bundleEndpoint?: BundleEndpointConfig;
}

/** Where other trust domains fetch the mesh's roots. */
export interface BundleEndpointConfig {
  readonly listen: HostPort;
  /** `https_web`: a certificate that callers' web authorities vouch for. Absent: `https_spiffe`, with the agent's SVID. */
  readonly web?: { readonly certFile: string; readonly keyFile: string };
  /** How often callers are told to come again. */
  readonly refreshHintMs: number;
}

/** Where the root's key is. */
export type SignerConfig = SignerPlace;

/** The host is an IP literal or a DNS name. */
export interface GatewayAddress extends HostPort {
  /** Whose endpoints the gateways behind it serve first; absent: all alike. */
  readonly zone?: string;
}

/** A Service of the cluster that `kubernetes` names. */
export interface GatewayService {
  readonly namespace: string;
  readonly name: string;
  /** Of the Service; what other members dial. */
  readonly port: number;
}

/** Where programs of this machine that prove nothing may ask for endpoints. */
export interface XdsSocket {
  /** Absolute. */
  readonly path: string;
  /** Of the file: the agent's account alone, or its group, too. */
  readonly mode: "0600" | "0660";
}

export interface AgentMember {
  readonly name: MemberName;
  readonly cloud: string;
  readonly region: string;
  readonly network: NetworkName;
}

export interface CatalogConfig {
  /** How long a member counts as alive after its last beat. */
  readonly leaseMs: number;
  /** Copies of remote shards, sidecar proofs and the charter are kept here. Absolute. */
  readonly snapshotDir: string;
  /** A member that is down for so long is removed. */
  readonly expireAfterMs: number;
  /**
   * The xDS addresses of this member's other agents, which share its name: one of all writes the
   * member's shard. Absent: this is the only one.
   */
  readonly replicas?: readonly HostPort[];
  /** Absent: the catalog lives in the memory of this process. */
  readonly hubs?: readonly HubConfig[];
}

/** One entry of `catalog.hubs`. */
export type HubConfig = RedisHub;

/** `files`: an absolute folder; `registration`: workloads that say themselves where they are. */
export type SourceConfig =
  | { readonly t: "files"; readonly dir: string }
  | KubernetesSourceConfig
  | { readonly t: "registration" };

/** Whoever reads a cluster; with neither file nor context, the one that the agent runs in. */
export interface KubernetesSourceConfig {
  readonly t: "kubernetes";
  /** Absolute. */
  readonly kubeconfig?: string;
  /** Absent: the kubeconfig's current one. */
  readonly context?: string;
  /** Absent: all of the cluster's. */
  readonly namespaces?: readonly Namespace[];
}

/** `embedded` forwards bytes inside the launcher; `envoy` is an Envoy that the launcher starts. */
export type EngineKind = "embedded" | "envoy";

/** What both launchers are told. */
export interface EngineConfig {
  /** The agent's xDS port. */
  readonly agent: HostPort;
  /** Asked in this order while that one does not answer: the replicas of the member's agent. */
  readonly otherAgents?: readonly HostPort[];
  readonly identity: IdentityConfig;
  readonly engine: EngineKind;
  /** Threads of the embedded engine, or Envoy's own. */
  readonly workers: number;
  /** Where `/readyz`, `/healthz`, `/metrics` and `/config` are served. */
  readonly admin: HostPort;
  readonly logLevel: LogLevel;
}

export interface IdentityConfig {
  /** Holds `svid.pem`, `svid.key` and `bundle.pem`; renewed in place. Absolute. */
  readonly dir: string;
  /** How often, on average, the agent is asked whether to renew it early; absent: `svid-check.ts` says. */
  readonly checkEveryMs?: number;
  /** How the first one is got; absent: an operator has put it there. */
  readonly token?: TokenIdentityConfig;
}

/** A pod proves itself by the token that Kubernetes gave it. */
export interface TokenIdentityConfig {
  /** Of a projected `serviceAccountToken` volume; read again for each use. Absolute. */
  readonly file: string;
  /** Of the member whose agent is asked: nobody else may answer. */
  readonly trustDomain: TrustDomain;
  /** Whom the agent's certificate has to come from. */
  readonly roots:
    | { readonly t: "file"; readonly file: string }
    | { readonly t: "pem"; readonly pem: string };
}

export interface GatewayConfig extends EngineConfig {
  readonly listen: HostPort;
  /** The one of the agent's `gateway.addresses` that leads here; absent: `listen`, where it is that. */
  readonly address?: HostPort;
  /** How long it takes to end in good order; absent: `lifecycle.ts` says. */
  readonly drainMs?: number;
}

export interface SidecarConfig extends EngineConfig {
  readonly workload: string;
  readonly namespace: Namespace;
  readonly serviceAccount: string;
  readonly zone?: string;
  /** How connections get into the sidecar: by `upstreams` and `inbound`, or by redirection. */
  readonly capture: "ports" | TransparentCapture;
  readonly upstreams: readonly SidecarUpstream[];
  readonly inbound: readonly SidecarInbound[];
  /** Ports of the application that a kubelet asks for at `/probe/tcp/PORT` of the admin port. */
  readonly probePorts?: readonly number[];
  /** Absent: some source of the agent names this workload. */
  readonly registration?: RegistrationConfig;
  /** Where this machine's resolver may ask for the names of `upstreams`; loopback. Absent: nobody answers. */
  readonly dns?: { readonly listen: HostPort };
}

/** A workload that tells the agent itself that it is there. */
export interface RegistrationConfig {
  /** Of the sidecar's own namespace. */
  readonly group: GroupId;
  /** Where the mesh reaches it: IP literal, canonical. Absent: `inbound` says, or this machine's first own one. */
  readonly address?: string;
  /** Whether the group may name programs of this machine as its health check. */
  readonly allowExec: boolean;
}

/** Connections that the kernel redirects (`isthmus capture apply`); only for `engine: envoy`. */
export interface TransparentCapture {
  /** The workload's own, as its endpoints stand in the sources; absent: all that this machine has. */
  readonly addresses?: readonly string[];
  /** As the rules say. */
  readonly outboundPort: number;
  readonly inboundPort: number;
  /** What becomes of destinations that are no service of this member's. */
  readonly unknown: UnknownDestination;
  /** From where callers without mTLS are let through, in CIDR form. */
  readonly plaintextFrom: readonly string[];
  /** Ports that the rules leave alone. */
  readonly openPorts: readonly number[];
}

/** One service port that the application dials at a local address. */
export interface SidecarUpstream {
  readonly service: ServiceId;
  readonly port: number;
  readonly listen: HostPort;
}

/** One port of the application that the mesh may call. */
export interface SidecarInbound {
  /** As the workload's endpoint stands in the sources: IP literal and target port. */
  readonly endpoint: HostPort;
  /** Where the sidecar takes mTLS for it. */
  readonly listen: HostPort;
  /** Where the application itself listens. */
  readonly app: HostPort;
}
