/** Minimum of a measurement over the last five minutes, in half-minute steps: a minimum is not hurt by load. */
export interface RttWindow {
  readonly buckets: readonly RttBucket[];
}

interface RttBucket {
  readonly startMs: number;
  readonly minMs: number;
}

const bucketMs = 30_000;
const windowMs = 300_000;

export const emptyRttWindow: RttWindow = { buckets: [] };

export function addRtt(
  window: RttWindow,
  sample: { readonly rttMs: number; readonly nowMs: number },
): RttWindow {
  const startMs = Math.floor(sample.nowMs / bucketMs) * bucketMs;
  const last = window.buckets.at(-1);
  const isSame = last?.startMs === startMs;
  if (isSame && last.minMs <= sample.rttMs) return window;
  const bucket = { startMs, minMs: sample.rttMs };
  const older = window.buckets.slice(0, isSame ? -1 : undefined);
  return { buckets: [...fresh(older, sample.nowMs), bucket] };
}

export function minRtt(window: RttWindow, nowMs: number): number | undefined {
  const values = fresh(window.buckets, nowMs).map((bucket) => bucket.minMs);
  return values.length === 0 ? undefined : Math.min(...values);
}

function fresh(buckets: readonly RttBucket[], nowMs: number): RttBucket[] {
  return buckets.filter((bucket) => nowMs - bucket.startMs < windowMs + bucketMs);
}
