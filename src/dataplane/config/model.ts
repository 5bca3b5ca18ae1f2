import type { HostPort } from "../../mesh/address.ts";

/** What the engine needs of a Listener; everything else of it was refused or is known not to matter. */
export interface ListenerModel {
  readonly name: string;
  readonly bind: HostPort;
  readonly backlog: number;
  /** Present when the first bytes are read before a chain is chosen. */
  readonly inspector?: { readonly timeoutMs: number; readonly maxHelloBytes: number };
  readonly chains: readonly ChainModel[];
}

export interface ChainModel {
  readonly match: ChainMatch;
  /** Present: TLS ends here. */
  readonly tls?: DownstreamTls;
  /** All must allow. */
  readonly rbac: readonly RbacRules[];
  /** Trust domains of servers that its connections may not lead to, whoever lets them in. */
  readonly without: readonly string[];
  readonly end: ChainEnd;
}

export interface ChainMatch {
  /** Exact names, or suffixes written `*.example`; empty: any. Lower case. */
  readonly serverNames: readonly string[];
  readonly transport: "any" | "tls" | "raw_buffer";
}

export type ChainEnd =
  /** Ends here: says back what it hears. */
  | { readonly t: "echo" }
  | {
      readonly t: "proxy";
      /** `by-sni`: the server name is the name of the Envoy cluster. */
      readonly to: { readonly t: "by-sni" } | { readonly t: "cluster"; readonly name: string };
      readonly maxConnectAttempts: number;
      /** 0: never. */
      readonly idleTimeoutMs: number;
    };

export interface DownstreamTls {
  readonly validation: ValidationRef;
  /** Protocols to choose from, where a caller offers some (ALPN); empty: none is chosen. */
  readonly alpn: readonly string[];
  /** Undefined: the engine's own limit. */
  readonly handshakeTimeoutMs?: number;
}

/** Which peers a TLS context believes; the proxy's own certificate comes from its launcher. */
export interface ValidationRef {
  /** SDS name, delivered over ADS. */
  readonly secret: string;
}

export interface UpstreamTls {
  readonly sni: string;
  readonly validation: ValidationRef;
}

export type NameMatch =
  | { readonly t: "exact"; readonly text: string }
  | { readonly t: "prefix"; readonly text: string }
  | { readonly t: "suffix"; readonly text: string }
  | { readonly t: "contains"; readonly text: string };

export type Principal =
  | { readonly t: "any" }
  | { readonly t: "authenticated"; readonly name?: NameMatch }
  | { readonly t: "and" | "or"; readonly of: readonly Principal[] }
  | { readonly t: "not"; readonly of: Principal };

export interface RbacRules {
  readonly action: "allow" | "deny";
  /** Of every policy; permissions are always `any` at L4. */
  readonly principals: readonly Principal[];
}

/** A validation context as SDS delivers it. */
export interface ValidationModel {
  /** Empty where `domains` has the roots. */
  readonly bundlePem: string;
  /** Roots (PEM) by trust domain, each for its own names alone; for callers only. Absent: one bundle for all. */
  readonly domains?: ReadonlyMap<string, string>;
  /** URI names, any of which is enough; empty: whoever the bundle vouches for. */
  readonly names: readonly NameMatch[];
}

export interface ClusterModel {
  readonly name: string;
  /** The name to ask EDS for, or the endpoints themselves. */
  readonly source:
    | { readonly t: "eds"; readonly name: string }
    | { readonly t: "static"; readonly assignment: AssignmentModel };
  readonly connectTimeoutMs: number;
  readonly policy: "round-robin" | "least-request" | "random";
  /** 0..100; below it a level that cannot help is used whole. */
  readonly panicPercent: number;
  readonly isLocalityWeighted: boolean;
  readonly outlier?: OutlierModel;
  readonly maxConnections: number;
  readonly maxPending: number;
  readonly keepaliveIdleMs?: number;
  readonly closesOnEjection: boolean;
  /** Used by hosts that no match claims. */
  readonly tls?: UpstreamTls;
  readonly socketMatches: readonly SocketMatch[];
}

export interface SocketMatch {
  /** Every pair must stand in the host's `envoy.transport_socket_match` metadata. */
  readonly match: Readonly<Record<string, string>>;
  /** Absent: plain bytes. */
  readonly tls?: UpstreamTls;
}

export interface OutlierModel {
  readonly consecutiveFailures: number;
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly maxEjectionPercent: number;
}

export interface AssignmentModel {
  readonly overprovisioningPercent: number;
  readonly isHealthWeighted: boolean;
  readonly hosts: readonly HostModel[];
}

export interface HostModel {
  readonly address: HostPort;
  readonly health: "healthy" | "draining" | "unhealthy";
  readonly weight: number;
  readonly priority: number;
  /** Groups hosts inside a level. */
  readonly locality: string;
  readonly localityWeight: number;
  /** `envoy.transport_socket_match` */
  readonly labels: Readonly<Record<string, string>>;
}
