import { zoneCountsOf } from "../../../discovery/publish/export-records.ts";
import type { CharterMember } from "../../../mesh/charter.ts";
import { MeshError } from "../../../mesh/errors.ts";
import type { ServiceId } from "../../../mesh/ids.ts";
import { proxyZone } from "../../../mesh/locality.ts";
import { type EndpointLine, endpointOrder } from "../../../proxy/levels/endpoint-order.ts";
import { didYouMean } from "../../nearest.ts";
import type { AgentView } from "../agent-view.ts";
import { countOf, type MemberPart, seenFrom } from "./seen-from.ts";

/** One line, or one for several endpoints whose addresses are not published. */
export type ElsewhereLine = EndpointLine & { readonly count?: number };

export interface Elsewhere {
  readonly lines: readonly ElsewhereLine[];
  readonly known: readonly string[];
  readonly assumed: readonly string[];
}

/** Where a sidecar of another member tries a service, as far as the catalog tells. Throws MESH_NOT_FOUND. */
export function endpointsElsewhere(
  view: AgentView,
  from: { readonly id: ServiceId; readonly member: string; readonly zone: string },
): Elsewhere {
  const { id, zone } = from;
  const place = placeNamed(view, from.member);
  const parts = partsOf(view, id);
  const service = seenFrom(place, { id, parts });
  if (service === undefined) {
    const truth = `nobody exports it, so that ${place.name} sees none`;
    throw new MeshError("MESH_NOT_FOUND", `Cannot find service "${id}": ${truth}`);
  }
  const { name: member, cloud, region, network } = place;
  const lines = endpointOrder(service, { member, cloud, region, network, zone });
  const own = parts.find(({ entry }) => entry.name === member);
  const isCounted = own !== undefined && own.endpoints.length === 0;
  return {
    lines: isCounted ? summedUp(lines, own) : lines,
    known: knownOf(view, place),
    assumed: assumedOf(place, { own, zone, isCounted }),
  };
}

function placeNamed({ trust }: AgentView, member: string): CharterMember {
  const { charter } = trust.charter();
  const place = charter.members.find(({ name }) => name === member);
  if (place !== undefined && place.state !== "denied") return place;
  const truth =
    place === undefined
      ? `the charter has no such member${didYouMean(
          member,
          charter.members.map(({ name }) => name),
        )}`
      : "the charter denies it";
  throw new MeshError("MESH_NOT_FOUND", `Cannot look from "${member}": ${truth}`);
}

function partsOf(view: AgentView, id: ServiceId): readonly MemberPart[] {
  const { trust, core, config } = view;
  return trust.charter().charter.members.flatMap((entry): readonly MemberPart[] => {
    if (entry.state === "denied") return [];
    if (entry.name === config.member.name) return ownPart(view, { entry, id });
    const shard = core.catalog.shard(entry.name);
    const record = shard?.service(id);
    const verdict = core.neighbours.verdictOf(entry.name);
    if (shard === undefined || record === undefined || verdict.isExpired) return [];
    const gateways = core.neighbours.gatewaysOf(entry.name);
    return [{ entry, record, endpoints: shard.endpoints(id), gateways, verdict }];
  });
}

/** What this member says to the others. */
function ownPart(
  { core }: AgentView,
  of: { readonly entry: CharterMember; readonly id: ServiceId },
): readonly MemberPart[] {
  const local = core.local.services.get(of.id);
  if (local?.exported === undefined) return [];
  const { id, type, ports, exported, endpoints } = local;
  const { createdAtMs } = exported;
  const zones = zoneCountsOf(endpoints);
  return [
    {
      entry: of.entry,
      record: { t: "service", id, type, ports, createdAtMs, identities: [], zones },
      endpoints: endpoints.filter(({ sidecars }) => Object.keys(sidecars ?? {}).length > 0),
      gateways: (core.drains.own.records() ?? []).map(({ host, port, zone, draining }) => ({
        address: host,
        port,
        isAlive: true,
        ...(zone === undefined ? {} : { zone }),
        ...(draining === undefined ? {} : { isDraining: true as const }),
      })),
      verdict: { state: "live", isUsable: true, isReachable: true, share: 1, isExpired: false },
    },
  ];
}

/** One line for each zone and health of a member that tells only how many it has. */
function summedUp(lines: readonly EndpointLine[], own: MemberPart): readonly ElsewhereLine[] {
  const sums = new Map<string, ElsewhereLine>();
  for (const [index, line] of lines.entries()) {
    const isOwn = line.member === own.entry.name;
    const target = `${line.target.port} ${line.target.suffix}`;
    const key = isOwn ? `${target} ${line.zone} ${line.health}` : String(index);
    const share = (sums.get(key)?.share ?? 0) + line.share;
    const zone = own.record.zones.find(
      (one) => proxyZone({ member: own.entry.name, zone: one.zone }) === line.zone,
    );
    const count = isOwn && zone !== undefined ? { count: countOf(zone, line.health) } : {};
    sums.set(key, { ...line, share, ...count });
  }
  return [...sums.values()];
}

function knownOf({ core }: AgentView, place: CharterMember): readonly string[] {
  const status = core.catalog.memberStatus().find(({ member }) => member === place.name);
  const heard =
    status?.ageMs === undefined
      ? `nothing was heard of ${place.name} yet`
      : `${place.name} was last heard ${Math.round(status.ageMs / 1000)} s ago`;
  return [
    "from the charter: members, clouds, regions and networks",
    `from the catalog: who exports it, and how many endpoints are healthy in which zone; ${heard}`,
  ];
}

function assumedOf(
  { name }: CharterMember,
  of: {
    readonly own: MemberPart | undefined;
    readonly zone: string;
    readonly isCounted: boolean;
  },
): readonly string[] {
  return [
    `order among other regions: ${name} goes by round trips that only it measures; here its own cloud comes first, and equals share a step`,
    `${name} finds those members and gateways alive that this agent does`,
    `${name} has no import policy that keeps one of them out`,
    of.own === undefined
      ? `${name} has no service of that name that it keeps to itself`
      : `all its endpoints have a sidecar: those without are used there and not published`,
    ...(of.own === undefined
      ? []
      : [
          of.zone === ""
            ? "callers stand in its zones as endpoints do"
            : "all its callers stand in that zone",
        ]),
  ];
}
