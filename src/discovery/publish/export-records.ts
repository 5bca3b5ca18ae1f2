import type { SpiffeId, TrustDomain } from "../../mesh/ids.ts";
import { namespaceOf, workloadSpiffeId } from "../../mesh/ids.ts";
import {
  type Endpoint,
  type ExportTerms,
  type LocalService,
  trafficTermsOf,
} from "../../mesh/service.ts";
import type { ZoneCount } from "../mesh-service.ts";
import { endpointsKey, serviceKey } from "../shards/record-key.ts";
import type { ServiceRecord } from "../shards/records.ts";
import { encodeRecord } from "../shards/records.ts";
import type { RawRecords } from "../shards/store.ts";
import { slicesOf } from "./slices.ts";

/** What this member publishes of one service. */
export interface ExportContent {
  readonly record: ServiceRecord;
  /** Only those that callers of this network may dial: with a proven sidecar. */
  readonly endpoints: readonly Endpoint[];
  readonly encoded: RawRecords;
}

export interface ExportOptions {
  readonly trustDomain: TrustDomain;
  /** Another member shares the network, so single endpoints are of use to it. */
  readonly isNetworkShared: boolean;
  /**
   * What was published last. A service without any workload keeps it: whoever comes back runs as the
   * same accounts, and callers must accept them before they get traffic.
   */
  readonly lastIdentities?: readonly SpiffeId[];
}

/** Undefined when the service is not exported. */
export function exportOf(service: LocalService, options: ExportOptions): ExportContent | undefined {
  if (service.exported === undefined) return undefined;
  const record = serviceRecordOf(service, { terms: service.exported, options });
  const isListed = options.isNetworkShared || service.type === "Headless";
  const endpoints = isListed ? service.endpoints.filter(hasSidecar) : [];
  const encoded = new Map([[serviceKey(service.id), encodeRecord(record)]]);
  for (const [slice, part] of slicesOf(endpoints).entries()) {
    const body = encodeRecord({ t: "endpoints", id: service.id, slice, endpoints: part });
    encoded.set(endpointsKey(service.id, slice), body);
  }
  return { record, endpoints, encoded };
}

function serviceRecordOf(
  service: LocalService,
  from: { readonly terms: ExportTerms; readonly options: ExportOptions },
): ServiceRecord {
  const { createdAtMs, labels, annotations } = from.terms;
  return {
    t: "service",
    id: service.id,
    type: service.type,
    ports: service.ports,
    createdAtMs,
    identities: identitiesOf(service, from.options),
    zones: zoneCountsOf(service.endpoints),
    ...trafficTermsOf(service),
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

function identitiesOf(service: LocalService, options: ExportOptions): readonly SpiffeId[] {
  const { trustDomain, lastIdentities } = options;
  const namespace = namespaceOf(service.id);
  const accounts = new Set(service.endpoints.flatMap((one) => one.serviceAccount ?? []));
  if (service.endpoints.length === 0 && lastIdentities !== undefined) return lastIdentities;
  return [...accounts]
    .sort()
    .map((serviceAccount) => workloadSpiffeId(trustDomain, { namespace, serviceAccount }));
}

/**
 * Endpoints per zone, sorted. One without a proven sidecar counts 0: no gateway would forward to it.
 * One that drains is counted apart: it is on its way out, not ill, must not look like a failing part,
 * and keeps the connections it has.
 */
export function zoneCountsOf(endpoints: readonly Endpoint[]): readonly ZoneCount[] {
  const zones = new Map<string, { healthy: number; total: number; draining: number }>();
  for (const endpoint of endpoints) {
    const count = zones.get(endpoint.zone) ?? { healthy: 0, total: 0, draining: 0 };
    zones.set(endpoint.zone, count);
    if (!hasSidecar(endpoint)) continue;
    if (endpoint.health === "draining") count.draining += 1;
    else count.total += 1;
    if (endpoint.health === "healthy") count.healthy += 1;
  }
  return [...zones]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([zone, { draining, ...count }]) => ({
      zone,
      ...count,
      ...(draining > 0 ? { draining } : {}),
    }));
}

function hasSidecar(endpoint: Endpoint): boolean {
  return endpoint.sidecars !== undefined && Object.keys(endpoint.sidecars).length > 0;
}
