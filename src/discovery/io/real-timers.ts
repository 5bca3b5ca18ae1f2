import type { Clock } from "../../mesh/ports.ts";
import type { Timers } from "../timers.ts";

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
