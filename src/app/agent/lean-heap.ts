import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

// Two halves of 4 MB. V8 lets them grow to 64 MB each when a fleet connects, and keeps them: more than all
// that an agent of 1,000 services holds. Smaller ones make short-lived things look long-lived.
const youngBytes = 8_000_000;
// V8's own choice lets garbage grow to several times what lives before it looks; the mark that finds it runs
// beside the program and costs some 50 ms of CPU for a heap of 60 MB.
const garbagePercent = 25;
// So many collections are a start, or some ten proxies that were told of a thousand services.
const burstCollections = 32;
// Beats, probes and questions of operators need one in some seconds.
const windowMs = 5000;
const quietCollections = 3;

/**
 * Trades some CPU for memory, for a process whose live content is small beside what passes through it. For
 * whoever owns the whole process. Both flags are read by V8 at each collection, so they count from now on;
 * `--max-semi-space-size` would not. What lives grows until `whenLoaded`: nothing is looked for before.
 */
export function keepHeapLean(whenLoaded: Promise<void>): void {
  growYoungSpace();
  setFlagsFromString("--semi-space-growth-factor=1");
  collectAfterBursts();
  void whenLoaded.then(() => setFlagsFromString(`--heap-growing-percent=${garbagePercent}`));
}

/** V8 doubles it when much survives; from outside it cannot be set once the process runs. */
function growYoungSpace(): void {
  const survivors: number[][] = [];
  for (let step = 0; step < maxSteps && youngSpaceBytes() < youngBytes; step += 1) {
    for (let made = 0; made < arraysPerStep; made += 1) {
      survivors.push(Array.from({ length: numbersPerArray }, () => made));
    }
  }
}

// A quarter of a megabyte in each step; a dozen are enough, and take less than ten milliseconds.
const arraysPerStep = 256;
const numbersPerArray = 128;
const maxSteps = 64;

function youngSpaceBytes(): number {
  return getHeapSpaceStatistics().find((one) => one.space_name === "new_space")?.space_size ?? 0;
}

/**
 * What a fleet leaves behind when it has connected stays until the heap grows again, which in a quiet agent
 * is never. One collection of some 50 ms, when little else was to do for seconds, gives it back.
 */
function collectAfterBursts(): void {
  const collect = collector();
  let inWindow = 0;
  let inBurst = 0;
  const judge = (): void => {
    const isQuiet = inWindow <= quietCollections;
    if (!isQuiet) inBurst += inWindow;
    inWindow = 0;
    if (!isQuiet || inBurst < burstCollections) return;
    inBurst = 0;
    collect();
  };
  setInterval(judge, windowMs).unref();
  new PerformanceObserver((list) => {
    inWindow += list.getEntries().length;
  }).observe({ entryTypes: ["gc"] });
}

/** Only a new context is given the function; it collects for all of them. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  const found: unknown = runInNewContext("gc");
  return typeof found === "function" ? () => void Reflect.apply(found, undefined, []) : () => {};
}
