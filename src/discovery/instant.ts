import type { Clock } from "../mesh/ports.ts";

/** One moment by both clocks: the wall's, which others share, and the own one that never goes back. */
export interface Instant {
  readonly nowMs: number;
  readonly monotonicMs: number;
}

export function instantOf(clock: Clock): Instant {
  return { nowMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
}
