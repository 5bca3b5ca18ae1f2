import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

// Two halves of 4 MB. V8 lets them grow to 64 MB each when a fleet connects, and keeps them: more than all
// that an agent of 1,000 services holds. Smaller ones make short-lived things look long-lived.
const maxYoungBytes = 8_000_000;
// V8's own choice lets garbage grow to several times what lives before it looks; the mark that finds it runs
// beside the program and costs some 50 ms of CPU for a heap of 60 MB.
const garbagePercent = 40;

/**
 * Trades some CPU for memory, for a process whose live content is small beside what passes through it. For
 * whoever owns the whole process. Both flags are read by V8 at each collection, so they count from now on;
 * `--max-semi-space-size` would not. What lives grows until `whenLoaded`: nothing is looked for before.
 */
export function keepHeapLean(whenLoaded: Promise<void>): void {
  void whenLoaded.then(() => setFlagsFromString(`--heap-growing-percent=${garbagePercent}`));
  const observer = new PerformanceObserver(() => {
    if (youngBytes() < maxYoungBytes) return;
    setFlagsFromString("--semi-space-growth-factor=1");
    observer.disconnect();
  });
  observer.observe({ entryTypes: ["gc"] });
}

function youngBytes(): number {
  return getHeapSpaceStatistics().find((one) => one.space_name === "new_space")?.space_size ?? 0;
}
