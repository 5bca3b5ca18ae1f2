import { maxUnhealthyPerHealthy } from "../settings.ts";
import type { PlannedHost } from "./plan.ts";

/**
 * One UNHEALTHY host that stands for the missing part of a member: proxies judge a level by healthy
 * against total, and a member behind a gateway shows only its gateways. Capped, or the level's share
 * would round to nothing and the last healthy endpoints with it.
 */
export function placeholderFor(part: {
  readonly missing: number;
  readonly present: number;
  readonly index: number;
}): PlannedHost | undefined {
  const weight = Math.min(part.missing, maxUnhealthyPerHealthy * part.present);
  if (weight < 1) return undefined;
  return {
    address: placeholderAddress(part.index),
    port: 1,
    health: "unhealthy",
    weight: Math.floor(weight),
    via: { t: "placeholder" },
  };
}

// In panic a proxy dials every host of the level, so this one must refuse at once: loopback, a range
// that nothing binds, and tcpmux.
function placeholderAddress(index: number): string {
  return `127.255.${(index >> 8) & 255}.${index & 255}`;
}
