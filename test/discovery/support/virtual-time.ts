import type { Timers } from "../../../src/discovery/timers.ts";
import type { Clock } from "../../../src/mesh/ports.ts";

/** A clock that stands still until it is told otherwise. */
export interface VirtualTime {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Runs everything due in the next so many ms, each at its own instant. */
  readonly advance: (ms: number) => Promise<void>;
  /** Lets what is under way go on as far as it gets without time. */
  readonly settle: () => Promise<void>;
  /** Runs until this is settled; throws when it takes more than `maxMs` of virtual time. */
  readonly until: <Result>(promise: PromiseLike<Result>, maxMs?: number) => Promise<Result>;
}

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  isCancelled: boolean;
}

export function createVirtualTime(startMs = 1_790_000_000_000): VirtualTime {
  const queue: Timer[] = [];
  let monotonicMs = 1000;
  let order = 0;

  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const runNext = async (limitMs: number): Promise<boolean> => {
    while (queue[0]?.isCancelled === true) popTimer(queue);
    const first = queue[0];
    if (first === undefined || first.atMs > limitMs) return false;
    monotonicMs = Math.max(monotonicMs, first.atMs);
    while (queue[0] !== undefined && queue[0].atMs <= monotonicMs) {
      const due = popTimer(queue);
      if (due?.isCancelled === false) due.run();
    }
    await settle();
    return true;
  };

  return {
    clock: { nowMs: () => startMs + monotonicMs, monotonicMs: () => monotonicMs },
    timers: {
      after: (delayMs, run) => {
        order += 1;
        const timer = { atMs: monotonicMs + Math.max(0, delayMs), order, run, isCancelled: false };
        pushTimer(queue, timer);
        return () => {
          timer.isCancelled = true;
        };
      },
    },
    advance: async (ms) => {
      const limitMs = monotonicMs + ms;
      await settle();
      while (await runNext(limitMs));
      monotonicMs = limitMs;
      await settle();
    },
    settle,
    until: async (promise, maxMs = 60_000) => {
      let isDone = false;
      const done = Promise.resolve(promise).finally(() => {
        isDone = true;
      });
      done.catch(() => {});
      await settle();
      const limitMs = monotonicMs + maxMs;
      while (!isDone) {
        if (!(await runNext(limitMs))) throw new Error("nothing is left to wait for");
      }
      return await done;
    },
  };
}

function isBefore(left: Timer, right: Timer): boolean {
  return left.atMs === right.atMs ? left.order < right.order : left.atMs < right.atMs;
}

/** A binary heap: schedules have thousands of timers. */
function pushTimer(heap: Timer[], timer: Timer): void {
  let index = heap.push(timer) - 1;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || !isBefore(timer, above)) break;
    heap[index] = above;
    index = parent;
  }
  heap[index] = timer;
}

function popTimer(heap: Timer[]): Timer | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return top;
  let index = 0;
  for (;;) {
    const left = 2 * index + 1;
    const right = left + 1;
    const leftTimer = heap[left];
    if (leftTimer === undefined) break;
    const rightTimer = heap[right];
    const isRight = rightTimer !== undefined && isBefore(rightTimer, leftTimer);
    const child = isRight ? rightTimer : leftTimer;
    if (!isBefore(child, last)) break;
    heap[index] = child;
    index = isRight ? right : left;
  }
  heap[index] = last;
  return top;
}
