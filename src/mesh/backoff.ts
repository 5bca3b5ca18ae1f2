import type { Random } from "./ports.ts";

/** How long what failed is left alone: `firstMs`, then twice as long each time, `maxMs` at the most. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** The longest wait after `doublings` failures that each made it twice as long; 0 gives `firstMs`. */
export function backoffCeilingMs({ firstMs, maxMs }: Backoff, doublings: number): number {
  // No bound on the count: beyond 2 ** 1023 it is Infinity, and of that and `maxMs` the smaller one is taken.
  return Math.min(maxMs, firstMs * 2 ** doublings);
}

/**
 * Somewhere in the upper half of a ceiling: those who failed in one moment do not come back in one, and
 * none of them comes back at once.
 */
export function inUpperHalf(ceilingMs: number, random: Random): number {
  return ceilingMs * (0.5 + random() / 2);
}
