import type { CharterMember } from "../../mesh/charter.ts";
import type { ServiceId } from "../../mesh/ids.ts";
import type { Endpoint, Finding, LocalService } from "../../mesh/service.ts";
import type { Use } from "../members/last-resort.ts";
import { usesOf } from "../members/last-resort.ts";
import type { MemberVerdict } from "../members/member-state.ts";
import type { GatewayHost, MeshService, RemoteExport } from "../mesh-service.ts";
import type { ServiceRecord } from "../shards/records.ts";
import { definitionOf, isLocalNameShared } from "./import.ts";

/** One member's export of the service, with what this agent knows of that member. */
export interface RemoteOffer {
  readonly entry: CharterMember;
  readonly rank: number;
  readonly record: ServiceRecord;
  /** Empty unless they may be dialled from here. */
  readonly endpoints: readonly Endpoint[];
  readonly gateways: readonly GatewayHost[];
  readonly verdict: MemberVerdict;
}

export interface Merged {
  readonly service: MeshService | undefined;
  readonly findings: readonly Finding[];
}

/** Puts one service together from this member's own and all that others offer. */
export function mergeService(
  id: ServiceId,
  from: { readonly local: LocalService | undefined; readonly offers: readonly RemoteOffer[] },
): Merged {
  const { local, offers } = from;
  const definition = definitionOf(
    local,
    offers.map(({ entry, record }) => ({ member: entry.name, record })),
  );
  if (definition === undefined) return { service: undefined, findings: [] };
  const uses = usesOf(
    offers.map(({ entry, record, verdict }) => ({
      member: entry.name,
      healthy: healthyIn(record),
      verdict,
    })),
    { healthyLocally: healthyLocally(local) },
  );
  const remotes = offers.map((offer) => remoteExport(offer, uses.get(offer.entry.name)));
  const service = {
    id,
    type: definition.type,
    ports: definition.ports,
    ...(local === undefined ? {} : { local }),
    remotes,
    isLocalNameShared: isLocalNameShared(local),
  };
  return { service, findings: definition.conflicts };
}

export function healthyIn(record: Pick<ServiceRecord, "zones">): number {
  return record.zones.reduce((sum, zone) => sum + zone.healthy, 0);
}

/** What can stand in for remotes: only an exported service shares its callers with them. */
function healthyLocally(local: LocalService | undefined): number {
  if (local?.exported === undefined) return 0;
  return local.endpoints.filter((endpoint) => endpoint.health === "healthy").length;
}

function remoteExport(offer: RemoteOffer, use: Use | undefined): RemoteExport {
  const { entry, record } = offer;
  return {
    member: entry.name,
    cloud: entry.cloud,
    region: entry.region,
    network: entry.network,
    rank: offer.rank,
    ports: record.ports,
    identities: record.identities,
    zones: record.zones,
    gateways: offer.gateways,
    endpoints: offer.endpoints,
    isUsable: use?.isUsable ?? true,
    isReturning: use?.isReturning ?? false,
    share: use?.share ?? 1,
  };
}
