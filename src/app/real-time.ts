import type { Timers } from "../discovery/timers.ts";
import type { Clock } from "../mesh/ports.ts";

/** Timers that do not keep the process alive: what must go on holds a socket of its own. */
export const realTimers: Timers = {
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

export const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
