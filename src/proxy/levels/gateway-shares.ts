import type { GatewayHost, ZoneCount } from "../../discovery/mesh-service.ts";

/**
 * Which part (0..1, sum 1) of a member's traffic each of its gateways should get, in their order. A
 * gateway that names a zone stands for the endpoints of that zone, so that what enters there need not
 * cross zones; zones without a gateway of their own go to all gateways alike. The caller's own zone does
 * not matter: zones of two members are never compared by name.
 */
export function gatewayShares(
  gateways: readonly Pick<GatewayHost, "zone">[],
  zones: readonly Pick<ZoneCount, "zone" | "healthy">[],
): number[] {
  const healthy = zones.reduce((sum, zone) => sum + zone.healthy, 0);
  if (healthy === 0) return gateways.map(() => 1 / gateways.length);
  const shares = gateways.map(() => 0);
  for (const zone of zones) {
    const own = gateways.flatMap((gateway, index) => (gateway.zone === zone.zone ? [index] : []));
    const takers = own.length > 0 ? own : gateways.map((_, index) => index);
    for (const index of takers) {
      shares[index] = (shares[index] ?? 0) + zone.healthy / healthy / takers.length;
    }
  }
  return shares;
}
