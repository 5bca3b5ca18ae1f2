import { isIp } from "../../mesh/address.ts";
import type { ObjectMetadata } from "../../mesh/object-metadata.ts";
import type { StatedCondition } from "./conditions.ts";

/** An object as the API server has it, or as it shall be. Fields that nobody here reads are kept out. */
export interface KubeBody {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: KubeMetadata;
  readonly [part: string]: unknown;
}

export interface KubeMetadata {
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly deletionTimestamp?: string;
  /** Null in a wish: there shall be none of this key. */
  readonly labels?: Readonly<Record<string, string | null>>;
  readonly annotations?: ObjectMetadata;
  readonly ownerReferences?: readonly OwnerReference[];
}

/** Whatever is owned goes with its owner. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

export function ownerReferenceTo({ apiVersion, kind, metadata }: KubeBody): OwnerReference {
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid ?? "" };
}

/** What names an object, its uid included: a write meant for it reaches no later one of the same name. */
export function identityOf({ apiVersion, kind, metadata }: KubeBody): KubeBody {
  const { namespace, name, uid } = metadata;
  return { apiVersion, kind, metadata: { namespace, name, ...(uid === undefined ? {} : { uid }) } };
}

/** The wish, for that very object. */
export function sameObject(found: KubeBody, wish: KubeBody): KubeBody {
  const { uid } = found.metadata;
  return { ...wish, metadata: { ...wish.metadata, ...(uid === undefined ? {} : { uid }) } };
}

/** It is being deleted. */
export function isLeaving({ metadata }: KubeBody): boolean {
  return metadata.deletionTimestamp !== undefined;
}

type Part = Readonly<Record<string, unknown>>;

function partOf(body: KubeBody | undefined, name: string): Part {
  const part = body?.[name];
  return typeof part === "object" && part !== null ? (part as Part) : {};
}

function listOf(part: Part, name: string): readonly unknown[] {
  const list = part[name];
  return Array.isArray(list) ? list : [];
}

export function statusOf(body: KubeBody | undefined): Part {
  return partOf(body, "status");
}

/** As far as they are well formed. */
export function conditionsOf(body: KubeBody | undefined): readonly StatedCondition[] {
  return listOf(statusOf(body), "conditions").filter((one): one is StatedCondition => {
    const { type, status, lastTransitionTime } = (one ?? {}) as Part;
    return [type, status, lastTransitionTime].every((text) => typeof text === "string");
  });
}

/** Members that a ServiceImport names as its exporters. */
export function clustersOf(body: KubeBody | undefined): readonly string[] {
  return listOf(statusOf(body), "clusters").flatMap((one) => {
    const { cluster } = (one ?? {}) as Part;
    return typeof cluster === "string" ? [cluster] : [];
  });
}

/** Of a Service; none while it waits for one. */
export function clusterIpsOf(body: KubeBody | undefined): readonly string[] {
  return ipsIn(partOf(body, "spec"), "clusterIPs");
}

/** Of a ServiceImport. */
export function importIpsOf(body: KubeBody | undefined): readonly string[] {
  return ipsIn(partOf(body, "spec"), "ips");
}

/**
 * Of a ServiceImport, as far as its derived Service has them. The API server gives a cluster IP to one Service
 * alone; what stands in an import anybody may write who has a right to its namespace, any address at all.
 */
export function provenImportIpsOf(of: {
  readonly imported: KubeBody | undefined;
  readonly derived: KubeBody | undefined;
}): readonly string[] {
  const given = new Set(clusterIpsOf(of.derived));
  return importIpsOf(of.imported).filter((ip) => given.has(ip));
}

function ipsIn(spec: Part, name: string): readonly string[] {
  return listOf(spec, name).filter((ip): ip is string => typeof ip === "string" && isIp(ip));
}

/** A wish as it is written where what shall not be there is simply left out. */
export function withoutNulls(wish: KubeBody): KubeBody {
  return JSON.parse(
    JSON.stringify(wish, (_, value: unknown) => (value === null ? undefined : value)),
  ) as KubeBody;
}

/**
 * Whether an object is as it was wished: every wished field is there with its value, lists have the same
 * length and order, and null means that there is no such field. What else stands in it is of others, or
 * the API server's default.
 */
export function fits(wish: unknown, found: unknown): boolean {
  if (wish === null) return found === undefined || found === null;
  if (Array.isArray(wish)) {
    if (!Array.isArray(found) || found.length !== wish.length) return false;
    return wish.every((item, index) => fits(item, found[index]));
  }
  if (typeof wish !== "object") return wish === found;
  if (typeof found !== "object" || found === null || Array.isArray(found)) return false;
  const fields: Readonly<Record<string, unknown>> = Object.assign(Object.create(null), found);
  return Object.entries(wish).every(
    ([key, value]) => value === undefined || fits(value, fields[key]),
  );
}
