import type { Place } from "../../mesh/locality.ts";
import { proxyZone } from "../../mesh/locality.ts";
import { boundLevel } from "../../proxy/levels/bounds.ts";
import { availability, provenLocalities } from "../../proxy/levels/direct-hosts.ts";
import { gatewayShares } from "../../proxy/levels/gateway-shares.ts";
import type { PlannedLevel, PlannedLocality } from "../../proxy/levels/plan.ts";
import { isHealthy } from "../../proxy/levels/plan.ts";
import { zoneShares } from "../../proxy/levels/zone-shares.ts";
import type { ExportedTarget } from "./exports.ts";

/** Where a gateway stands among those of its member. */
export interface Door {
  readonly place: Place;
  /** Empty: it serves all zones alike. */
  readonly zone: string;
  /** Of every address of the member's gateways; undefined: that one names none. */
  readonly zones: readonly (string | undefined)[];
}

// Only the ratios count; 1/1000 keeps an idle zone ready to take over.
const weightScale = 1_000;

/**
 * The endpoints behind a door. A forwarded connection never leaves the member, so there is one level.
 * In a zone of its own a gateway keeps what enters to that zone, as far as the zone's fair share goes:
 * callers weigh gateways by the same rule (`gatewayShares`), so mostly that is all of it.
 */
export function doorLevels(item: ExportedTarget, door: Door): PlannedLevel[] {
  const localities = provenLocalities(door.place, item);
  if (localities.length === 0) return [];
  const preferred = door.zone === "" ? localities : ownZoneFirst(localities, door);
  return [boundLevel({ level: "own-member", rank: 0, localities: preferred })];
}

function ownZoneFirst(localities: readonly PlannedLocality[], door: Door): PlannedLocality[] {
  const healthy = new Map(
    localities.map(({ zone, hosts }) => [zone, hosts.filter(isHealthy).length] as const),
  );
  const zone = zoneIn(door, door.zone);
  const shares = zoneShares(healthy, { zone, callers: demandOf(healthy, door) });
  return localities.map((locality) => {
    const share = (shares.get(locality.zone) ?? 0) * weightScale;
    const weight = Math.max(1, Math.round(share / availability(locality.hosts)));
    return { ...locality, weight };
  });
}

/** What enters in each zone, by the weights that other members give our gateways. */
function demandOf(healthy: ReadonlyMap<string, number>, door: Door): ReadonlyMap<string, number> {
  const gateways = door.zones.map((zone) =>
    zone === undefined ? {} : { zone: zoneIn(door, zone) },
  );
  const zones = [...healthy].map(([zone, count]) => ({ zone, healthy: count }));
  const demand = new Map<string, number>();
  for (const [index, share] of gatewayShares(gateways, zones).entries()) {
    const zone = gateways[index]?.zone ?? "";
    demand.set(zone, (demand.get(zone) ?? 0) + share);
  }
  return demand;
}

function zoneIn({ place }: Door, zone: string): string {
  return proxyZone({ member: place.member, zone });
}
