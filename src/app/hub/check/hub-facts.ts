import type { MemberName, MeshDomain } from "../../../mesh/ids.ts";

/** What a server was asked: managed Redis forbids much, and then nothing is known. */
export type Told<T> =
  | { readonly t: "told"; readonly value: T }
  | { readonly t: "untold"; readonly reason: string };

export function told<T>(value: T): Told<T> {
  return { t: "told", value };
}

export function untold<T>(reason: string): Told<T> {
  return { t: "untold", reason };
}

export type HubShape = "standalone" | "sentinel" | "cluster";

/** One server of a hub. */
export interface NodeFacts {
  /** `host:port` */
  readonly node: string;
  /** All sections of INFO, by field. */
  readonly info: Told<ReadonlyMap<string, string>>;
  /** What CONFIG GET tells; managed Redis mostly refuses it. */
  readonly settings: ReadonlyMap<string, Told<string>>;
}

/** `plain` is a connection that anybody on the way can read. */
export type TransportFacts =
  | { readonly t: "plain"; readonly isLoopback: boolean }
  | {
      readonly t: "tls";
      /** `TLSv1.3` */
      readonly protocol: string;
      /** Epoch milliseconds; undefined when the certificate does not say. */
      readonly certificateEndsMs: number | undefined;
    };

export interface LatencyFacts {
  readonly pings: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** `unknown`: neither a dry run nor a transaction told. */
export type RightVerdict = "allowed" | "denied" | "unknown";

export interface Right {
  /** `write the keys of another member` */
  readonly what: string;
  readonly verdict: RightVerdict;
}

export interface RightsFacts {
  /** As ACL WHOAMI tells. */
  readonly user: Told<string>;
  /** No login was given, and none was asked for. */
  readonly isAnonymous: boolean;
  /** Whose keys were taken for its own; undefined: no member was named. */
  readonly member: MemberName | undefined;
  /** What a member needs to publish and follow. */
  readonly needed: readonly Right[];
  /** What a member must not be able to. */
  readonly beyond: readonly Right[];
}

export interface SentinelFacts {
  readonly master: string;
  /** Sentinels that answered, and those that these know of in all. */
  readonly reachable: number;
  readonly known: number;
  readonly quorum: number;
}

export interface ClusterFacts {
  /** `ok` or `fail` */
  readonly state: string;
  readonly slotsCovered: number;
  readonly size: number;
}

/** What the mesh has in this hub. */
export interface ContentFacts {
  readonly mesh: MeshDomain;
  /** Of the charter, or found by their heads. */
  readonly members: readonly MemberContent[];
  /** Members of the charter that have no head here. */
  readonly absent: readonly MemberName[];
}

export interface MemberContent {
  readonly member: MemberName;
  readonly records: number;
  readonly logEntries: number;
  /** Undefined where MEMORY USAGE is refused. */
  readonly bytes: number | undefined;
}

/** A hub that answered, as far as it told. */
export interface HubFacts {
  readonly shape: HubShape;
  readonly transport: TransportFacts;
  /** The server that holds the mesh's slot comes first, then its replicas. */
  readonly nodes: readonly [NodeFacts, ...NodeFacts[]];
  /** Replicas that are named but did not answer us. */
  readonly silent: readonly string[];
  readonly latency: LatencyFacts;
  /** The server's clock minus ours. */
  readonly skewMs: Told<number>;
  readonly rights: RightsFacts;
  readonly sentinel: SentinelFacts | undefined;
  readonly cluster: ClusterFacts | undefined;
  readonly content: Told<readonly ContentFacts[]>;
}

/** Why a hub could not be asked. */
export type HubTrouble =
  | { readonly t: "unreachable"; readonly reason: string }
  | { readonly t: "tls"; readonly reason: string }
  | { readonly t: "login"; readonly reason: string }
  /** It answers, and can do nothing else at the moment. */
  | { readonly t: "busy"; readonly reason: string }
  | { readonly t: "no-primary"; readonly reason: string }
  | { readonly t: "strange"; readonly reason: string };

export type HubReading =
  | { readonly t: "read"; readonly facts: HubFacts }
  | { readonly t: "failed"; readonly trouble: HubTrouble };
