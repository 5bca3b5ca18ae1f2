import type { MemberVerdict } from "../../../discovery/members/member-state.ts";
import { mergeService, type RemoteOffer } from "../../../discovery/merge/merge.ts";
import type { GatewayHost, MeshService, ZoneCount } from "../../../discovery/mesh-service.ts";
import type { ServiceRecord } from "../../../discovery/shards/records.ts";
import type { CharterMember } from "../../../mesh/charter.ts";
import type { ServiceId } from "../../../mesh/ids.ts";
import type { Endpoint, Health, LocalService } from "../../../mesh/service.ts";

/** One member's part in a service, as its own shard states it. */
export interface MemberPart {
  readonly entry: CharterMember;
  readonly record: ServiceRecord;
  /** What it publishes to its network; empty: nothing. */
  readonly endpoints: readonly Endpoint[];
  readonly gateways: readonly GatewayHost[];
  /** As this agent judges the member. */
  readonly verdict: MemberVerdict;
}

// Only ratios count: what stands for thousands of endpoints need not be thousands.
const maxMade = 1000;

/**
 * A service as the proxies of another member most likely see it, out of what that member and the others
 * publish. Undefined: nobody offers it there. Nearness is not published: regions of the same cloud come
 * first.
 */
export function seenFrom(
  place: CharterMember,
  from: { readonly id: ServiceId; readonly parts: readonly MemberPart[] },
): MeshService | undefined {
  const { id, parts } = from;
  const own = parts.find(({ entry }) => entry.name === place.name);
  const others = parts.filter(({ entry }) => entry.name !== place.name);
  return mergeService(id, {
    local: own === undefined ? undefined : localOf(own),
    offers: others.map((part) => offerOf(part, place)),
  }).service;
}

function offerOf(part: MemberPart, place: CharterMember): RemoteOffer {
  const isNear = part.entry.network === place.network;
  return {
    ...part,
    rank: part.entry.cloud === place.cloud ? 1 : 2,
    endpoints: isNear ? part.endpoints : [],
  };
}

function localOf({ record, endpoints }: MemberPart): LocalService {
  const { id, type, ports, createdAtMs, trafficDistribution } = record;
  return {
    id,
    type,
    ports,
    endpoints: endpoints.length > 0 ? endpoints : endpointsFor(record),
    exported: { createdAtMs },
    ...(trafficDistribution === undefined ? {} : { trafficDistribution }),
  };
}

/** As many as the member counts, at addresses that only it knows. */
function endpointsFor(record: ServiceRecord): Endpoint[] {
  const sum = record.zones.reduce((all, zone) => all + zone.total + (zone.draining ?? 0), 0);
  const scale = Math.min(1, maxMade / Math.max(1, sum));
  return record.zones.flatMap((zone) =>
    healths.flatMap((health) => {
      const count = Math.ceil(countOf(zone, health) * scale);
      return Array.from({ length: count }, (_, index) =>
        endpointFor(record, { zone: zone.zone, health, index }),
      );
    }),
  );
}

const healths: readonly Health[] = ["healthy", "unhealthy", "draining"];

/** How many endpoints of that health a member counts in a zone. */
export function countOf(zone: ZoneCount, health: Health): number {
  switch (health) {
    case "healthy":
      return Math.max(0, zone.healthy);
    case "unhealthy":
      return Math.max(0, zone.total - zone.healthy);
    case "draining":
      return Math.max(0, zone.draining ?? 0);
  }
}

function endpointFor(
  record: ServiceRecord,
  at: { readonly zone: string; readonly health: Health; readonly index: number },
): Endpoint {
  // Never shown, and never equal to another: equal addresses would be taken for one endpoint.
  const address = `${at.zone} ${at.health} ${at.index}`;
  const ports = record.ports.map(({ name, port }) => [name, port] as const);
  const sidecars = ports.map(([name, port]) => [name, { address, port }] as const);
  return {
    workload: address,
    address,
    ports: Object.fromEntries(ports),
    zone: at.zone,
    health: at.health,
    sidecars: Object.fromEntries(sidecars),
  };
}
