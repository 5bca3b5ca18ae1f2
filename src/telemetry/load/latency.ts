/**
 * Upper bounds of the latency buckets in milliseconds; one more bucket takes what is slower. Each is
 * about 1.6 times the one before: a quantile is wrong by at most a quarter.
 */
export const latencyBoundsMs: readonly number[] = [
  0.25, 0.5, 1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 300, 500, 800, 1200, 2000, 3000, 5000,
  8000, 12_000, 20_000,
];

export const latencyBuckets: number = latencyBoundsMs.length + 1;

/** Index of the bucket that counts a duration. */
export function bucketOf(ms: number): number {
  let low = 0;
  let high = latencyBoundsMs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((latencyBoundsMs[middle] ?? 0) < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The duration that a share `ratio` of all counted ones does not exceed, taken linearly between the
 * bounds of its bucket; undefined without any count. What is slower than all bounds counts as the last.
 */
export function quantileMs(counts: ArrayLike<number>, ratio: number): number | undefined {
  let total = 0;
  for (let index = 0; index < latencyBuckets; index += 1) total += counts[index] ?? 0;
  if (total === 0) return undefined;
  let left = ratio * total;
  for (let index = 0; index < latencyBoundsMs.length; index += 1) {
    const count = counts[index] ?? 0;
    if (count > 0 && left <= count) {
      const fromMs = latencyBoundsMs[index - 1] ?? 0;
      return fromMs + ((latencyBoundsMs[index] ?? fromMs) - fromMs) * (left / count);
    }
    left -= count;
  }
  return latencyBoundsMs.at(-1);
}
