import type { Timers } from "../discovery/timers.ts";
import type { Clock } from "../mesh/ports.ts";

/** Timers that do not keep the process alive: what must go on holds a socket of its own. */
export const realTimers: Timers = {
  after: (delayMs, run) => {
    // Whoever was stopped for a while asks for what is past; Node warns of that.
    const timer = setTimeout(run, Math.max(0, delayMs));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

export const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
