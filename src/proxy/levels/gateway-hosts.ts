import type { GatewayHost, RemoteExport } from "../../discovery/mesh-service.ts";
import { proxyZone } from "../../mesh/locality.ts";
import { gatewayShares } from "./gateway-shares.ts";
import { placeholderFor } from "./placeholders.ts";
import type { PlannedHost, PlannedLocality } from "./plan.ts";
import { endpointWeight } from "./plan.ts";

// No member publishes more endpoints of one service; a record that says so must not overflow weights.
const maxEndpoints = 100_000;

/**
 * A member behind its gateways: each address once, weighted by the healthy endpoints it stands for,
 * plus a placeholder for those that are missing. The placeholder gets a locality of its own because a
 * locality's availability counts hosts: inside the gateways' one it would shrink their share.
 */
export function gatewayLocalities(
  remote: RemoteExport,
  options: { readonly index: number },
): PlannedLocality[] {
  const count = countOf(remote);
  const place = { member: remote.member, region: remote.region };
  const gateways = chosenGateways(remote);
  if (gateways.length === 0) return [];
  const present = count.healthy * endpointWeight * remote.share;
  const hosts = gatewayHosts(gateways, { remote, ...count, present });
  const weight = Math.max(1, Math.round(present));
  const zone = proxyZone({ member: remote.member, zone: "gateway" });
  const isServing = hosts.some((host) => host.health === "healthy");
  const missing = isServing ? count.total * endpointWeight - present : 0;
  const placeholder = placeholderFor({ missing, present, index: options.index });
  const main: PlannedLocality = { ...place, zone, weight, hosts };
  if (placeholder === undefined) return [main];
  const placeholderZone = proxyZone({ member: remote.member, zone: "unhealthy" });
  return [main, { ...place, zone: placeholderZone, weight, hosts: [placeholder] }];
}

/**
 * Dead and draining gateways with a living sibling are left out: as UNHEALTHY hosts they would push
 * traffic away. Connections through them live on; nobody closes those of a host that left.
 */
function chosenGateways(remote: RemoteExport): readonly GatewayHost[] {
  const alive = remote.gateways.filter((gateway) => gateway.isAlive);
  if (alive.length === 0 || !remote.isUsable) return remote.gateways;
  const staying = alive.filter((gateway) => gateway.isDraining !== true);
  return staying.length > 0 ? staying : alive;
}

/**
 * A member's state decides whether it is held for dead; single probes only choose among siblings,
 * because traffic that still arrives outweighs what the agent itself can reach.
 */
function gatewayHosts(
  gateways: readonly GatewayHost[],
  part: {
    readonly remote: RemoteExport;
    readonly healthy: number;
    readonly total: number;
    readonly draining: number;
    readonly present: number;
  },
): PlannedHost[] {
  const { isUsable } = part.remote;
  const isLeaving = gateways.every((gateway) => gateway.isDraining === true);
  const isServing = part.healthy > 0 && isUsable && !isLeaving;
  // A drain moves new connections only: UNHEALTHY would have the old ones closed under their callers.
  const isDraining = isUsable && (part.draining > 0 || isLeaving);
  // One that answers again may have served as the last resort until now: those connections live.
  const isReturning = part.healthy > 0 && part.remote.isReturning;
  const asleep = isDraining || isReturning ? "draining" : "unhealthy";
  // A member that can serve nothing weighs all it has: its level lost that much.
  const sum = isServing ? part.present : part.total * endpointWeight;
  const shares = gatewayShares(gateways, part.remote.zones);
  return gateways.map((gateway, index) => ({
    address: gateway.address,
    port: gateway.port,
    health: isServing ? "healthy" : asleep,
    weight: Math.max(1, Math.round(sum * (shares[index] ?? 0))),
    via: { t: "gateway" },
    ...(part.healthy > 0 && !isServing ? { isInferredDead: true } : {}),
    ...(isReturning ? { isReturning } : {}),
  }));
}

interface Count {
  readonly healthy: number;
  readonly total: number;
  readonly draining: number;
}

function countOf(remote: RemoteExport): Count {
  const sum = (pick: (zone: RemoteExport["zones"][number]) => number): number =>
    Math.min(
      maxEndpoints,
      remote.zones.reduce((total, zone) => total + Math.max(0, pick(zone)), 0),
    );
  const healthy = sum((zone) => zone.healthy);
  return {
    healthy,
    draining: sum((zone) => zone.draining ?? 0),
    total: Math.max(
      healthy,
      sum((zone) => zone.total),
    ),
  };
}
