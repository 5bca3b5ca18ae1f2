/** Minimum of a measurement over the last five minutes, in half-minute steps: a minimum is not hurt by load. */
export interface RttWindow {
  readonly buckets: readonly RttBucket[];
  /** The newest samples, oldest first. */
  readonly latest: readonly number[];
}

interface RttBucket {
  readonly startMs: number;
  readonly minMs: number;
}

const bucketMs = 30_000;
const windowMs = 300_000;

// A few slow answers may be a busy machine at either end, as when a whole site starts; ten in a row are the way
// as it is now.
const presentSamples = 10;

export const emptyRttWindow: RttWindow = { buckets: [], latest: [] };

export function addRtt(
  window: RttWindow,
  sample: {
    readonly rttMs: number;
    /** How much of it may have passed in this very process. */
    readonly lagMs?: number;
    readonly nowMs: number;
  },
): RttWindow {
  const startMs = Math.floor(sample.nowMs / bucketMs) * bucketMs;
  const last = window.buckets.at(-1);
  const isSame = last?.startMs === startMs;
  const onTheWayMs = Math.max(0, sample.rttMs - (sample.lagMs ?? 0));
  const latest = [...window.latest, onTheWayMs].slice(-presentSamples);
  if (isSame && last.minMs <= sample.rttMs) return { ...window, latest };
  const bucket = { startMs, minMs: sample.rttMs };
  const older = window.buckets.slice(0, isSame ? -1 : undefined);
  return { buckets: [...fresh(older, sample.nowMs), bucket], latest };
}

export function minRtt(window: RttWindow, nowMs: number): number | undefined {
  const values = fresh(window.buckets, nowMs).map((bucket) => bucket.minMs);
  return values.length === 0 ? undefined : Math.min(...values);
}

/** What the way takes now, when that is more than the five minutes say: the least of the last ten. */
export function presentRtt({ latest }: RttWindow): number | undefined {
  return latest.length < presentSamples ? undefined : Math.min(...latest);
}

function fresh(buckets: readonly RttBucket[], nowMs: number): RttBucket[] {
  return buckets.filter((bucket) => nowMs - bucket.startMs < windowMs + bucketMs);
}
