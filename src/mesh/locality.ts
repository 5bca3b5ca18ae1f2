import type { MemberName } from "./ids.ts";

/** Where a workload runs. Zones of two members are never compared by name. */
export interface Locality {
  readonly member: MemberName;
  /** `aws`, `azure`, `gcp`, `onprem` …: free text from the charter. */
  readonly cloud: string;
  readonly region: string;
  readonly zone: string;
}

/** The order in which a caller tries: level n+1 only when too few endpoints of level n are healthy. */
export type Level = "own-member" | "same-region" | "other-region";

/** A locality as far as members are compared by it. */
export type Place = Pick<Locality, "member" | "cloud" | "region">;

/** Regions are compared within one cloud: two clouds may use one name. */
export function levelFor(caller: Place, endpoint: Place): Level {
  if (endpoint.member === caller.member) return "own-member";
  const isSameRegion = endpoint.cloud === caller.cloud && endpoint.region === caller.region;
  return isSameRegion ? "same-region" : "other-region";
}

/**
 * The zone name that proxies see. It carries the member because a proxy's zone statistics know
 * nothing else: two members with a zone `a` would be added up.
 */
export function proxyZone(place: Pick<Locality, "member" | "zone">): string {
  return `${place.member}/${place.zone}`;
}
