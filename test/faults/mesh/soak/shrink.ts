/**
 * The shortest list found that still fails: the end of it is dropped first (what comes after a failure
 * did not cause it), then ever smaller parts of the rest. `fails` is asked `maxRuns` times at most.
 */
export async function shrink<Item>(
  items: readonly Item[],
  options: {
    /** Index of the item at which it failed. */
    readonly failedAt: number;
    readonly maxRuns: number;
    readonly fails: (items: readonly Item[]) => Promise<boolean>;
  },
): Promise<readonly Item[]> {
  let left = options.maxRuns;
  const stillFails = async (some: readonly Item[]): Promise<boolean> => {
    if (left === 0 || some.length === 0) return false;
    left -= 1;
    return await options.fails(some);
  };
  let shortest = items.slice(0, options.failedAt + 1);
  const last = shortest.slice(-1);
  if (shortest.length > 1 && (await stillFails(last))) return last;
  for (let size = Math.ceil(shortest.length / 2); size >= 1; size = Math.floor(size / 2)) {
    // The last one is where it failed: it stays.
    for (let at = 0; at < shortest.length - 1; ) {
      const without = shortest.toSpliced(at, Math.min(size, shortest.length - 1 - at));
      if (without.length < shortest.length && (await stillFails(without))) shortest = without;
      else at += size;
    }
  }
  return shortest;
}
