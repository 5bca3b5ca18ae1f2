/** Round trips to the farthest gateway that is in use. */
export interface WorstRtt {
  /** Minimum of five minutes. */
  readonly usualMs: number;
  /** What it takes just now, when a way has become longer. */
  readonly presentMs: number;
}

export const noRtt: WorstRtt = { usualMs: 0, presentMs: 0 };

// Any change of a cluster's own fields rebuilds its connection pools and forgets ejections, so the
// timeout moves in few, wide steps.
const timeoutStepsMs = [500, 1_000, 2_000] as const;
const maxTimeoutMs = 4_000;

/**
 * max(0.5 s, 4 × the usual round trip, 3 × the present one), rounded up to the next step. TCP and TLS take two;
 * what is only so at present gets less to spare, because it comes from few samples.
 */
export function connectTimeoutMsFor(worst: WorstRtt): number {
  const wantedMs = Math.max(4 * worst.usualMs, 3 * worst.presentMs);
  return timeoutStepsMs.find((step) => step >= wantedMs) ?? maxTimeoutMs;
}

/** The timeout in use, and since when a shorter one would do. */
export interface ConnectTimeout {
  readonly timeoutMs: number;
  readonly shorterSinceMs?: number;
}

// Each step rebuilds connections: seldom. But what made the way long may have been a busy machine, and for as
// long as the timeout is too long, each silent host is waited for too long.
const steadyMs = 120_000;

/**
 * Raised at once, or nothing would connect over a way that has become longer; lowered when nothing needed it
 * for two minutes. Never during a failover, when ejections must not be forgotten. Times are monotonic.
 */
export function nextConnectTimeout(
  now: ConnectTimeout,
  seen: { readonly worst: WorstRtt; readonly nowMs: number; readonly isFailover: boolean },
): ConnectTimeout {
  const { timeoutMs } = now;
  const wantedMs = connectTimeoutMsFor(seen.worst);
  if (seen.isFailover || wantedMs === timeoutMs) return { timeoutMs };
  if (wantedMs > timeoutMs) return { timeoutMs: wantedMs };
  const shorterSinceMs = now.shorterSinceMs ?? seen.nowMs;
  if (seen.nowMs - shorterSinceMs < steadyMs) return { timeoutMs, shorterSinceMs };
  return { timeoutMs: wantedMs };
}
