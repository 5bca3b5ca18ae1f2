/** How many messages are answered; what comes beyond is not looked at. */
export interface AnswerPace {
  /** Whether a message of that asker (its IP address) is. */
  readonly isDue: (asker: string, nowMs: number) => boolean;
  /** On credit: the asker, and all together, wait for it before their next message. */
  readonly charge: (asker: string, answers: number) => void;
}

// One asker that asks without end leaves three quarters to the others.
const shareOfOne = 1 / 4;
// A cluster has a few resolvers. More askers than these share one part.
const maxAskers = 256;
const everyoneElse = "";

/** Monotonic ms. `burst` at once after a quiet time, then `perSecond`; a quarter of both for one asker. */
export function createAnswerPace(limits: {
  readonly burst: number;
  readonly perSecond: number;
}): AnswerPace {
  const { burst, perSecond } = limits;
  const all = createBucket({ burst, perSecond });
  const askers = new Map<string, Bucket>();
  const ofOne = { burst: Math.max(1, burst * shareOfOne), perSecond: perSecond * shareOfOne };

  const bucketOf = (asker: string, nowMs: number): Bucket => {
    const known = askers.get(asker);
    if (known !== undefined) return known;
    if (askers.size >= maxAskers) {
      for (const [name, bucket] of askers) if (bucket.isFull(nowMs)) askers.delete(name);
    }
    const key = askers.size >= maxAskers ? everyoneElse : asker;
    const bucket = askers.get(key) ?? createBucket(ofOne);
    askers.set(key, bucket);
    return bucket;
  };
  return {
    isDue: (asker, nowMs) => {
      const own = bucketOf(asker, nowMs);
      if (!own.has(nowMs) || !all.has(nowMs)) return false;
      own.spend(1);
      all.spend(1);
      return true;
    },
    charge: (asker, answers) => {
      (askers.get(asker) ?? askers.get(everyoneElse))?.spend(answers);
      all.spend(answers);
    },
  };
}

interface Bucket {
  readonly has: (nowMs: number) => boolean;
  readonly isFull: (nowMs: number) => boolean;
  readonly spend: (tokens: number) => void;
}

function createBucket(limits: { readonly burst: number; readonly perSecond: number }): Bucket {
  let tokens = limits.burst;
  let lastMs = Number.NEGATIVE_INFINITY;
  const refill = (nowMs: number): void => {
    const earned = ((nowMs - lastMs) / 1000) * limits.perSecond;
    tokens = Math.min(limits.burst, tokens + Math.max(0, earned));
    lastMs = nowMs;
  };
  return {
    has: (nowMs) => {
      refill(nowMs);
      return tokens >= 1;
    },
    isFull: (nowMs) => {
      refill(nowMs);
      return tokens >= limits.burst;
    },
    spend: (count) => {
      tokens -= count;
    },
  };
}
