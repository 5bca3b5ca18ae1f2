import type { LocalService } from "../../mesh/service.ts";

/** How many sidecars stand in each zone: as counted, or as shares in tenths. */
export type Callers = ReadonlyMap<string, number>;

// Each step costs an assignment of every service in several zones, so a fleet that grows evenly must cause none.
const steps = 10;

/** Shares of the zones in tenths; the smallest present zone counts as one. */
export function coarseCallers(counts: Callers): Callers {
  const sum = [...counts.values()].reduce((total, count) => total + count, 0);
  const present = [...counts].filter(([, count]) => count > 0).sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(
    present.map(([zone, count]) => [zone, Math.max(1, Math.round((steps * count) / sum))]),
  );
}

/**
 * The spread of callers that proxies are told. To tell another one costs an assignment for each zone of every
 * service in several zones, and as many bytes for each proxy, so it must be worth it, last, and not come often.
 */
export class CallerSpread {
  /** Undefined until the first look at some. */
  told: Callers | undefined;
  #wanted: Callers | undefined;
  #looksSinceTold = 0;

  /** Takes the present counts, every few seconds. True: `told` is another one. */
  look(counts: Callers): boolean {
    const next = coarseCallers(counts);
    // Nobody is there to be told, and those who come back may stand as they did.
    if (next.size === 0) return false;
    this.#looksSinceTold += 1;
    if (this.told !== undefined && isNear(counts, this.told)) {
      this.#wanted = undefined;
      return false;
    }
    const hasLasted = this.#wanted !== undefined && isNear(counts, this.#wanted);
    const wanted = hasLasted ? this.#wanted : next;
    this.#wanted = wanted;
    const isDue = hasLasted && this.#looksSinceTold >= leastLooks;
    if (this.told !== undefined && !isDue) return false;
    this.told = wanted;
    this.#wanted = undefined;
    this.#looksSinceTold = 0;
    return true;
  }
}

// A fleet that starts or is replaced passes through many spreads.
const leastLooks = 3;
// In tenths: halves are where rounding turns, and what stands there must not turn with each proxy that comes.
const tolerance = 0.75;

/** Whether those shares still say where the counted ones stand. */
function isNear(counts: Callers, shares: Callers): boolean {
  const present = [...counts].filter(([, count]) => count > 0);
  const sum = present.reduce((total, [, count]) => total + count, 0);
  if (present.length !== shares.size) return false;
  return present.every(([zone, count]) => {
    const share = shares.get(zone);
    const exact = Math.max(1, (steps * count) / sum);
    return share !== undefined && Math.abs(exact - share) <= tolerance;
  });
}

/** Whether a service of the own member is told otherwise when callers move: one healthy zone gets all of them. */
export function dependsOnCallers(local: LocalService | undefined): boolean {
  const healthy = (local?.endpoints ?? []).filter(({ health }) => health === "healthy");
  return new Set(healthy.map(({ zone }) => zone)).size > 1;
}
