import type { ServiceId } from "./ids.ts";
import type { ObjectMetadata } from "./object-metadata.ts";

export interface ServicePort {
  /** Empty for the only, unnamed port of a service. */
  readonly name: string;
  /** 1..65535 */
  readonly port: number;
  readonly protocol: "TCP" | "UDP";
  /** Kubernetes `appProtocol`; absent: judged by the port's name. */
  readonly appProtocol?: string;
}

/** The two kinds of the MCS API: behind one address, or each endpoint by itself. */
export type ServiceType = "ClusterSetIP" | "Headless";

/** What a proxy speaks on a port. Unknown is `tcp`: never guess HTTP where bytes may be anything. */
export type AppProtocol = "tcp" | "http" | "http2" | "grpc";

/** By `appProtocol`, else by the first word of the port's name, as Istio does. */
export function appProtocolOf(port: ServicePort): AppProtocol {
  const stated = port.appProtocol ?? port.name.split("-")[0] ?? "";
  switch (stated.toLowerCase()) {
    case "http":
      return "http";
    case "http2":
    case "h2c":
    case "kubernetes.io/h2c":
      return "http2";
    case "grpc":
      return "grpc";
    default:
      return "tcp";
  }
}

/** `draining` takes no new connections and keeps the old ones. */
export type Health = "healthy" | "draining" | "unhealthy";

/** A proven sidecar before a workload: where its mTLS port listens. */
export interface SidecarProof {
  /** IP literal. */
  readonly address: string;
  readonly port: number;
}

/** How the agent asks a workload whether it can serve; the endpoint's own address is asked. */
export type HealthProbe =
  | { readonly t: "tcp"; readonly port: number }
  | { readonly t: "http"; readonly port: number; readonly path: string };

/** One address and port behind one port of a service, in this member. */
export interface Endpoint {
  /** Name of the workload, unique within its namespace. */
  readonly workload: string;
  /** IP literal, v4 or v6. */
  readonly address: string;
  /** Target port for each service port, by the service port's name. */
  readonly ports: Readonly<Record<string, number>>;
  /** Zone as this member names it; empty when unknown. */
  readonly zone: string;
  readonly health: Health;
  /** Absent: no identity, so no sidecar can be proven for it. */
  readonly serviceAccount?: string;
  /**
   * Its source knows no workload of the namespace that has this address: whoever wrote it may mean somebody else's.
   * Nobody who dials the address itself is led to this service.
   */
  readonly isUnowned?: true;
  /** By service port name. Absent or lacking the port: plaintext inside the member, counts 0 in exports. */
  readonly sidecars?: Readonly<Record<string, SidecarProof>>;
  /** Its own name in the service's DNS, where that is not the workload's; a DNS label. */
  readonly hostname?: string;
  /** Only between a source and the health prober, which takes it off and folds the result into `health`. */
  readonly probe?: HealthProbe;
}

/** One service as this member's own sources state it. */
export interface LocalService {
  readonly id: ServiceId;
  readonly type: ServiceType;
  readonly ports: readonly ServicePort[];
  readonly endpoints: readonly Endpoint[];
  /** Where applications of this member dial it: IP literals, canonical. Absent: headless, or its source gives none. */
  readonly clusterIps?: readonly string[];
  /** Present when a ServiceExport offers it to the mesh. */
  readonly exported?: ExportTerms;
  /** Whom it selects among workloads that register themselves; absent: nobody. */
  readonly selects?: WorkloadSelector;
  readonly sessionAffinity?: "ClientIP";
  /** 1..86400; absent: Kubernetes' own three hours. Only with `sessionAffinity`. */
  readonly sessionAffinityTimeoutSeconds?: number;
  /** Absent: callers of all nodes are served alike. */
  readonly internalTrafficPolicy?: "Local";
  readonly trafficDistribution?: string;
}

/** A Service's selector, and where its ports lead. */
export interface WorkloadSelector {
  /** All of them have to be there; at least one. */
  readonly labels: Readonly<Record<string, string>>;
  /** Name or number of the workload's port, by the service port's name, where it is not the service's own. */
  readonly targets: Readonly<Record<string, string | number>>;
}

/** How callers are to be spread, as the owner of a service wishes it. */
export type TrafficTerms = Pick<
  LocalService,
  | "sessionAffinity"
  | "sessionAffinityTimeoutSeconds"
  | "internalTrafficPolicy"
  | "trafficDistribution"
>;

/** Those of something that says more, without the absent ones. */
export function trafficTermsOf(from: TrafficTerms): TrafficTerms {
  const { sessionAffinity, sessionAffinityTimeoutSeconds } = from;
  const { internalTrafficPolicy, trafficDistribution } = from;
  return {
    ...(sessionAffinity === undefined ? {} : { sessionAffinity }),
    ...(sessionAffinityTimeoutSeconds === undefined ? {} : { sessionAffinityTimeoutSeconds }),
    ...(internalTrafficPolicy === undefined ? {} : { internalTrafficPolicy }),
    ...(trafficDistribution === undefined ? {} : { trafficDistribution }),
  };
}

/** What a ServiceExport says. */
export interface ExportTerms {
  readonly createdAtMs: number;
  /** What its ServiceImports are labelled with; absent: nothing. */
  readonly labels?: ObjectMetadata;
  readonly annotations?: ObjectMetadata;
}

/** Something an operator should know about an input; `check` and the API show them. */
export interface Finding {
  /** Stable code, e.g. `SOURCE_YAML_INVALID`; listed in `docs/errors.md`. */
  readonly code: string;
  readonly severity: "error" | "warning" | "info";
  /** What it is about: a file with line, a service, a member. */
  readonly subject: string;
  readonly message: string;
}
