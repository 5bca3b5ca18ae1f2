import type { HealthCheck } from "./health-check.ts";
import { type Namespace, parseNamespace, type ServiceId } from "./ids.ts";

declare const brand: unique symbol;
/** `namespace/name` of a WorkloadGroup. */
export type GroupId = string & { readonly [brand]: "GroupId" };

// As Kubernetes has it of most objects (RFC 1123 subdomain).
const groupName =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;

/** Reads `namespace/name`; undefined for anything else. */
export function readGroupId(text: string): GroupId | undefined {
  const [namespace = "", name = "", ...rest] = text.split("/");
  const isLabel = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(namespace);
  return isLabel && groupName.test(name) && rest.length === 0 ? (text as GroupId) : undefined;
}

export function groupNamespace(group: GroupId): Namespace {
  return parseNamespace(group.slice(0, group.indexOf("/")));
}

export interface GroupPort {
  /** Unique in its group; a DNS label. */
  readonly name: string;
  /** 1..65535, of the application. */
  readonly port: number;
  readonly protocol: "TCP" | "UDP";
}

/** A service that the group's workloads call. */
export interface GroupUpstream {
  readonly service: ServiceId;
  readonly port: number;
}

/** What workloads outside a cluster, such as VMs, have in common. */
export interface WorkloadGroup {
  readonly id: GroupId;
  /** Counts up with each change of it, where its source counts; else 0. */
  readonly generation: number;
  /** Their identity, with the group's namespace. */
  readonly serviceAccount: string;
  readonly ports: readonly GroupPort[];
  /** Services select by them. */
  readonly labels: Readonly<Record<string, string>>;
  /** Empty: each says its own, or none is known. */
  readonly zone: string;
  /** Absent: they are held for healthy while they are connected. */
  readonly healthCheck?: HealthCheck;
  readonly upstreams: readonly GroupUpstream[];
  /** After its stream was lost a workload drains; after so long it is held for dead. */
  readonly unhealthyAfterMs: number;
  /** After its stream was lost for so long it is forgotten. */
  readonly removeAfterMs: number;
}

/** What a group's workload is told. */
export interface GroupDefinition extends Omit<WorkloadGroup, "generation" | "labels"> {
  /** Those that it stands behind now. */
  readonly services: readonly ServiceId[];
}
