import type { Log } from "../mesh/ports.ts";

/** Of each message. */
export interface LogPace {
  /** Lines in a row after a quiet time. */
  readonly burst: number;
  readonly perSecond: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
  suppressed: number;
}

/**
 * For lines that others can cause without end: beyond its pace a message is left out, and the next line of
 * it says how many were (`suppressed`).
 */
export function pacedLog(log: Log, pace: LogPace, nowMs: () => number): Log {
  /** By message: those are constants, and few. */
  const buckets = new Map<string, Bucket>();
  const bucketOf = (message: string): Bucket => {
    const now = nowMs();
    const bucket = buckets.get(message) ?? { tokens: pace.burst, atMs: now, suppressed: 0 };
    buckets.set(message, bucket);
    const earned = (Math.max(0, now - bucket.atMs) / 1000) * pace.perSecond;
    bucket.tokens = Math.min(pace.burst, bucket.tokens + earned);
    bucket.atMs = now;
    return bucket;
  };
  const at =
    (level: keyof Log): Log[typeof level] =>
    (fields, message) => {
      const bucket = bucketOf(message);
      if (bucket.tokens < 1) {
        bucket.suppressed += 1;
        return;
      }
      bucket.tokens -= 1;
      const { suppressed } = bucket;
      bucket.suppressed = 0;
      log[level](suppressed === 0 ? fields : { ...fields, suppressed }, message);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
