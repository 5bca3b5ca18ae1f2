import type { LocalService } from "../../mesh/service.ts";

/** How many sidecars stand in each zone, known exactly and told coarsely. */
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

export function isSameCallers(a: Callers, b: Callers): boolean {
  return a.size === b.size && [...a].every(([zone, count]) => b.get(zone) === count);
}

/** Whether a service of the own member is told otherwise when callers move: one healthy zone gets all of them. */
export function dependsOnCallers(local: LocalService | undefined): boolean {
  const healthy = (local?.endpoints ?? []).filter(({ health }) => health === "healthy");
  return new Set(healthy.map(({ zone }) => zone)).size > 1;
}
