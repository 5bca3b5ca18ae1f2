import type { Viewer } from "../viewer.ts";

/**
 * Which part (0..1, sum 1) of a caller's traffic each zone of its own member should get: the own zone
 * up to its fair share (its endpoints against its callers), the rest to zones with endpoints to
 * spare. The rule of Envoy's zone-aware routing, computed here because that one needs one priority
 * and a local cluster in every proxy.
 */
export function zoneShares(
  healthyByZone: ReadonlyMap<string, number>,
  viewer: Pick<Viewer, "zone" | "callers">,
): ReadonlyMap<string, number> {
  const supply = fractions(healthyByZone);
  const demand = fractions(
    isCounted(viewer.callers) ? viewer.callers : new Map([[viewer.zone, 1]]),
  );
  const ownDemand = demand.get(viewer.zone) ?? 0;
  const ownSupply = supply.get(viewer.zone) ?? 0;
  const kept = ownSupply === 0 ? 0 : ownDemand === 0 ? 1 : Math.min(1, ownSupply / ownDemand);
  const spare = spareOf(supply, demand, viewer.zone);
  return new Map(
    [...supply.keys()].map((zone) => {
      return [zone, zone === viewer.zone ? kept : (1 - kept) * (spare.get(zone) ?? 0)] as const;
    }),
  );
}

function isCounted(callers: Viewer["callers"]): callers is ReadonlyMap<string, number> {
  return callers !== undefined && [...callers.values()].some((count) => count > 0);
}

/** How the zones other than the caller's divide what it cannot keep. */
function spareOf(
  supply: ReadonlyMap<string, number>,
  demand: ReadonlyMap<string, number>,
  ownZone: string,
): ReadonlyMap<string, number> {
  const others = [...supply].filter(([zone]) => zone !== ownZone);
  const spare = others.map(
    ([zone, part]) => [zone, Math.max(0, part - (demand.get(zone) ?? 0))] as const,
  );
  const hasSpare = spare.some(([, part]) => part > 0);
  return fractions(new Map(hasSpare ? spare : others));
}

function fractions(counts: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const sum = [...counts.values()].reduce((total, count) => total + count, 0);
  return new Map([...counts].map(([key, count]) => [key, sum === 0 ? 0 : count / sum]));
}
