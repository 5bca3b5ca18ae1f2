import type { MemberName } from "../../mesh/ids.ts";
import type { ObjectMetadata } from "../../mesh/object-metadata.ts";
import type {
  Endpoint,
  LocalService,
  ServicePort,
  ServiceType,
  TrafficTerms,
} from "../../mesh/service.ts";
import { trafficTermsOf } from "../../mesh/service.ts";
import type { ServiceRecord } from "../shards/records.ts";

/** One member's export of a service: what the import is made of. */
export interface Constituent {
  readonly member: MemberName;
  readonly type: ServiceType;
  readonly ports: readonly ServicePort[];
  /** Of its ServiceExport; the oldest wins. */
  readonly createdAtMs: number;
  readonly traffic: TrafficTerms;
  readonly labels: ObjectMetadata;
  readonly annotations: ObjectMetadata;
  /** Those that can be dialled from here without a gateway; all of them for this member's own. */
  readonly endpoints: readonly Endpoint[];
  /** False: held for dead here, so none of them gets new connections. */
  readonly isUsable: boolean;
}

/** Undefined: this member does not export it. */
export function ownConstituent(
  member: MemberName,
  local: LocalService | undefined,
): Constituent | undefined {
  if (local?.exported === undefined) return undefined;
  const { endpoints } = local;
  return { ...offerOf({ ...local, ...local.exported }), member, endpoints, isUsable: true };
}

export function remoteConstituent(
  member: MemberName,
  from: {
    readonly record: ServiceRecord;
    readonly endpoints: readonly Endpoint[];
    readonly isUsable: boolean;
  },
): Constituent {
  const { record, endpoints, isUsable } = from;
  return { ...offerOf(record), member, endpoints, isUsable };
}

type Offer = Omit<Constituent, "endpoints" | "isUsable" | "member">;

/** What is offered, whoever offers it. */
function offerOf(
  said: Pick<Offer, "createdAtMs" | "ports" | "type"> &
    Partial<Pick<Offer, "annotations" | "labels">> &
    Parameters<typeof trafficTermsOf>[0],
): Offer {
  const { type, ports, createdAtMs, labels = {}, annotations = {} } = said;
  return { type, ports, createdAtMs, traffic: trafficTermsOf(said), labels, annotations };
}

/** Oldest first; of two of the same second the first by name, which all members agree on. */
export function byAge(left: Constituent, right: Constituent): number {
  const ageMs = left.createdAtMs - right.createdAtMs;
  if (ageMs !== 0) return ageMs;
  return left.member < right.member ? -1 : 1;
}
