import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

// Two halves of 4 MB. V8 lets them grow to 64 MB each when a fleet connects, and keeps them: more than all
// that an agent of 1,000 services holds. Smaller ones make short-lived things look long-lived.
const youngBytes = 8_000_000;
// V8's own choice lets garbage grow to several times what lives before it looks; the mark that finds it runs
// beside the program and costs some 50 ms of CPU for a heap of 60 MB.
const garbagePercent = 40;
// So many collections are a start, or some ten proxies that were told of a thousand services.
const burstCollections = 32;
// Beats, probes and questions of operators need one in some seconds.
const windowMs = 5000;
const quietCollections = 3;

/**
 * Trades some CPU for memory, for a process whose live content is small beside what passes through it. For
 * whoever owns the whole process. The flags are read by V8 at each collection, so they count from now on;
 * `--max-semi-space-size` would not. What lives grows until `whenLoaded`: nothing is looked for before.
 */
export function keepHeapLean(whenLoaded: Promise<void>): void {
  const collect = collector();
  // To load the program has let the young space grow, and what is tried last makes it small again.
  collect("last-resort");
  const young = boundYoungSpace();
  const bursts = createBursts();
  setInterval(() => {
    if (bursts.isOver()) collect("regular");
  }, windowMs).unref();
  new PerformanceObserver((list) => {
    bursts.count(list.getEntries().length);
    young.look();
  }).observe({ entryTypes: ["gc"] });
  void whenLoaded.then(() => setFlagsFromString(`--heap-growing-percent=${garbagePercent}`));
}

/** It may double until it has its size, also when V8 has made it small because nothing happened. */
function boundYoungSpace(): { readonly look: () => void } {
  let factor = 2;
  return {
    look: () => {
      const wanted = youngSpaceBytes() < youngBytes ? 2 : 1;
      if (wanted === factor) return;
      factor = wanted;
      setFlagsFromString(`--semi-space-growth-factor=${factor}`);
    },
  };
}

function youngSpaceBytes(): number {
  return getHeapSpaceStatistics().find((one) => one.space_name === "new_space")?.space_size ?? 0;
}

interface Bursts {
  readonly count: (collections: number) => void;
  /** Ends the window: whether one without much to do follows a burst. */
  readonly isOver: () => boolean;
}

/**
 * What a fleet leaves behind when it has connected stays until the heap grows again, which in a quiet agent
 * is never. One collection of some 50 ms, when little else was to do for seconds, gives it back.
 */
function createBursts(): Bursts {
  let inWindow = 0;
  let inBurst = 0;
  return {
    count: (collections) => {
      inWindow += collections;
    },
    isOver: () => {
      const isQuiet = inWindow <= quietCollections;
      if (!isQuiet) inBurst += inWindow;
      inWindow = 0;
      if (!isQuiet || inBurst < burstCollections) return false;
      inBurst = 0;
      return true;
    },
  };
}

/** Only a new context is given the function; it collects for all of them. */
function collector(): (flavor: "regular" | "last-resort") => void {
  setFlagsFromString("--expose-gc");
  const found: unknown = runInNewContext("gc");
  if (typeof found !== "function") return () => {};
  return (flavor) =>
    void Reflect.apply(found, undefined, [{ type: "major", execution: "sync", flavor }]);
}
