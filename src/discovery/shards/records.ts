import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { MemberName, ServiceId, SpiffeId } from "../../mesh/ids.ts";
import { nameOf, namespaceOf, parseMemberName, parseSpiffeId } from "../../mesh/ids.ts";
import { isAnnotation, isLabel, type ObjectMetadata } from "../../mesh/object-metadata.ts";
import type { Endpoint, ServicePort, ServiceType } from "../../mesh/service.ts";
import type { ZoneCount } from "../mesh-service.ts";
import type { JsonObject } from "./json-fields.ts";
import { integerIn, listIn, objectIn, oneOf, optionalTextIn, textIn } from "./json-fields.ts";
import type { RecordKey } from "./record-key.ts";
import { parseRecordKey } from "./record-key.ts";
import { endpointFrom, metadataIn, portFrom } from "./record-parts.ts";
import { type RotationRecord, rotationFrom } from "./rotation-record.ts";

/** One east-west gateway as its member states it. */
export interface GatewayRecord {
  /** IP literal or DNS name. */
  readonly host: string;
  readonly port: number;
  /** Whose endpoints it serves first. */
  readonly zone?: string;
  /**
   * On its way out: no new connections. Tells one drain from the next, so that no confirmation counts
   * twice. Older readers ignore it and learn from their probes.
   */
  readonly draining?: number;
}

/** A gateway of another member to which no proxy of this one opens new connections. */
export interface DrainedGateway {
  readonly member: MemberName;
  /** `host:port`, as that member states it. */
  readonly gateway: string;
  /** Its `draining`. */
  readonly drain: number;
}

/** Stands for all ways to a member that is leaving: no gateway has that name. */
export const leavingGateway = "*";

/** What a member says of itself; there is one in each shard. */
export interface MemberRecord {
  readonly t: "member";
  /** Version of the software that wrote the shard. */
  readonly software: string;
  /** Lowest and highest schema that this member reads. */
  readonly schemas: { readonly min: number; readonly max: number };
  readonly gateways: readonly GatewayRecord[];
  /** SHA-256 (hex) of the bundle in force there. */
  readonly bundleDigest?: string;
  /** Confirms that others' gateways are drained; absent: none. */
  readonly drained?: readonly DrainedGateway[];
  /**
   * It is going, and has withdrawn its exports. Tells one leave from the next; others confirm it in `drained`
   * as that of gateway `leavingGateway`.
   */
  readonly leaving?: number;
  /** How far it has followed the rotation of the root; absent: none is under way. Older readers ignore it. */
  readonly rotation?: RotationRecord;
}

export interface ServiceRecord {
  readonly t: "service";
  readonly id: ServiceId;
  readonly type: ServiceType;
  readonly ports: readonly ServicePort[];
  /** When it was exported; on conflicts the oldest wins. */
  readonly createdAtMs: number;
  readonly identities: readonly SpiffeId[];
  readonly zones: readonly ZoneCount[];
  readonly sessionAffinity?: "ClientIP";
  /** 1..86400 */
  readonly sessionAffinityTimeoutSeconds?: number;
  readonly internalTrafficPolicy?: "Local";
  readonly trafficDistribution?: string;
  /** For its ServiceImports. */
  readonly labels?: ObjectMetadata;
  readonly annotations?: ObjectMetadata;
}

export interface EndpointsRecord {
  readonly t: "endpoints";
  readonly id: ServiceId;
  readonly slice: number;
  readonly endpoints: readonly Endpoint[];
}

export type CatalogRecord = MemberRecord | ServiceRecord | EndpointsRecord;

export type ParsedRecord =
  | { readonly t: "ok"; readonly record: CatalogRecord }
  /** A kind that this version does not know, e.g. of a newer one. */
  | { readonly t: "unknown" }
  /** Written for a newer reader: the last good record stays. */
  | { readonly t: "newer"; readonly schema: number }
  | { readonly t: "refused"; readonly reason: string };

/** Raised only when an older reader would misunderstand; new fields alone do not raise it. */
const schema = 1;
export const schemas: MemberRecord["schemas"] = { min: schema, max: schema };
/** The largest that a writer of ours makes is a slice of 100 workloads, some 40 kB. */
export const maxRecordBytes = 262_144;
export const maxEndpointsPerSlice = 100;
const maxZones = 256;
const maxPorts = 128;
const maxIdentities = 512;
const maxGateways = 64;
/** More drains at once are confirmed by their time limit. */
export const maxDrained = 256;

// Not `Buffer.from`: its pool of 64 kB would live as long as the one record in it that is kept.
const encoder = new TextEncoder();

/** UTF-8 JSON with a fixed field order: equal records are equal bytes. */
export function encodeRecord(record: CatalogRecord): Uint8Array {
  return encoder.encode(JSON.stringify(bodyOf(record)));
}

function bodyOf(record: CatalogRecord): JsonObject {
  switch (record.t) {
    case "member": {
      const { t: _, ...body } = record;
      return { schema, ...body };
    }
    case "service": {
      const { t: _, id, ...body } = record;
      return { schema, namespace: namespaceOf(id), name: nameOf(id), ...body };
    }
    case "endpoints":
      return {
        schema,
        namespace: namespaceOf(record.id),
        name: nameOf(record.id),
        endpoints: record.endpoints,
      };
  }
}

/** Reads a record that anyone may have written. Never throws. */
export function parseRecord(key: string, bytes: Uint8Array): ParsedRecord {
  const about = parseRecordKey(key);
  if (about === undefined) return { t: "refused", reason: "its key is not one of ours" };
  if (bytes.length > maxRecordBytes)
    return { t: "refused", reason: `it has ${bytes.length} bytes` };
  if (about.t === "other") return { t: "unknown" };
  try {
    const fields = objectIn(JSON.parse(Buffer.from(bytes).toString("utf8")), "record");
    const written = integerIn(fields, "schema", { min: 1, max: 1_000_000 });
    if (written !== schema) return { t: "newer", schema: written };
    return { t: "ok", record: recordFrom(about, fields) };
  } catch (thrown) {
    return { t: "refused", reason: reasonOf(thrown) };
  }
}

function recordFrom(about: Exclude<RecordKey, { t: "other" }>, fields: JsonObject): CatalogRecord {
  switch (about.t) {
    case "member":
      return memberFrom(fields);
    case "service":
      return serviceFrom(about.id, fields);
    case "endpoints":
      requireName(about.id, fields);
      return {
        t: "endpoints",
        id: about.id,
        slice: about.slice,
        endpoints: listIn(fields, "endpoints", { max: maxEndpointsPerSlice, read: endpointFrom }),
      };
  }
}

function memberFrom(fields: JsonObject): MemberRecord {
  const range = objectIn(fields["schemas"], "schemas");
  const bundleDigest = optionalTextIn(fields, "bundleDigest", { max: 64 });
  return {
    t: "member",
    software: textIn(fields, "software", { max: 64 }),
    schemas: {
      min: integerIn(range, "min", { min: 1, max: 1_000_000 }),
      max: integerIn(range, "max", { min: 1, max: 1_000_000 }),
    },
    gateways: listIn(fields, "gateways", { max: maxGateways, read: gatewayFrom }),
    ...(bundleDigest === undefined ? {} : { bundleDigest }),
    ...(fields["drained"] === undefined
      ? {}
      : { drained: listIn(fields, "drained", { max: maxDrained, read: drainedFrom }) }),
    ...(fields["leaving"] === undefined
      ? {}
      : { leaving: integerIn(fields, "leaving", { min: 1, max: Number.MAX_SAFE_INTEGER }) }),
    ...(fields["rotation"] === undefined ? {} : { rotation: rotationFrom(fields["rotation"]) }),
  };
}

function drainedFrom(value: unknown): DrainedGateway {
  const fields = objectIn(value, "drained gateway");
  return {
    member: parseMemberName(textIn(fields, "member", { max: 63 })),
    gateway: textIn(fields, "gateway", { max: 300 }),
    drain: integerIn(fields, "drain", { min: 1, max: Number.MAX_SAFE_INTEGER }),
  };
}

/** Whether others read a gateway of that host: an IP literal without brackets, or a DNS name. */
export function isGatewayHost(host: string): boolean {
  return host.length <= 253 && /^[A-Za-z0-9._:-]+$/.test(host);
}

function gatewayFrom(value: unknown): GatewayRecord {
  const fields = objectIn(value, "gateway");
  const host = textIn(fields, "host", { max: 253 });
  if (!isGatewayHost(host)) throw new RangeError("host is no address or DNS name");
  const zone = optionalTextIn(fields, "zone", { max: 253 });
  const port = integerIn(fields, "port", { min: 1, max: 65_535 });
  return {
    host,
    port,
    ...(zone === undefined ? {} : { zone }),
    ...(fields["draining"] === undefined
      ? {}
      : { draining: integerIn(fields, "draining", { min: 1, max: Number.MAX_SAFE_INTEGER }) }),
  };
}

function serviceFrom(id: ServiceId, fields: JsonObject): ServiceRecord {
  requireName(id, fields);
  const trafficDistribution = optionalTextIn(fields, "trafficDistribution", { max: 63 });
  const hasAffinity = optionalTextIn(fields, "sessionAffinity", { max: 63 }) === "ClientIP";
  const isNodeLocal = optionalTextIn(fields, "internalTrafficPolicy", { max: 63 }) === "Local";
  const labels = metadataIn(fields, "labels", isLabel);
  const annotations = metadataIn(fields, "annotations", isAnnotation);
  return {
    t: "service",
    id,
    type: oneOf(fields, "type", ["ClusterSetIP", "Headless"]),
    ports: listIn(fields, "ports", { max: maxPorts, read: portFrom }),
    createdAtMs: integerIn(fields, "createdAtMs", { min: 0, max: Number.MAX_SAFE_INTEGER }),
    identities: listIn(fields, "identities", { max: maxIdentities, read: identityFrom }),
    zones: listIn(fields, "zones", { max: maxZones, read: zoneFrom }),
    ...(hasAffinity ? { sessionAffinity: "ClientIP" } : {}),
    ...(fields["sessionAffinityTimeoutSeconds"] === undefined
      ? {}
      : {
          sessionAffinityTimeoutSeconds: integerIn(fields, "sessionAffinityTimeoutSeconds", {
            min: 1,
            max: 86_400,
          }),
        }),
    ...(isNodeLocal ? { internalTrafficPolicy: "Local" } : {}),
    ...(trafficDistribution === undefined ? {} : { trafficDistribution }),
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

function identityFrom(value: unknown): SpiffeId {
  if (typeof value !== "string") throw new RangeError("an identity is not a text");
  return parseSpiffeId(value);
}

function zoneFrom(value: unknown): ZoneCount {
  const fields = objectIn(value, "zone");
  const total = integerIn(fields, "total", { min: 0, max: 1_000_000 });
  const counts = {
    zone: textIn(fields, "zone", { max: 253 }),
    healthy: integerIn(fields, "healthy", { min: 0, max: total }),
    total,
  };
  const optional = (name: "draining" | "capacity", max: number): object =>
    fields[name] === undefined ? {} : { [name]: integerIn(fields, name, { min: 0, max }) };
  return { ...counts, ...optional("draining", 1_000_000), ...optional("capacity", 1e9) };
}

/** A record moved under another service's key would pass the digest of a careless writer. */
function requireName(id: ServiceId, fields: JsonObject): void {
  if (`${String(fields["namespace"])}/${String(fields["name"])}` === id) return;
  throw new MeshError("MESH_CATALOG_RECORD_REFUSED", "its name is not that of its key");
}
