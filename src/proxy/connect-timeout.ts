// Any change of a cluster's own fields rebuilds its connection pools and forgets ejections, so the
// timeout moves in few, wide steps.
const timeoutStepsMs = [500, 1_000, 2_000] as const;
const maxTimeoutMs = 4_000;

/** max(0.5 s, 3 × the round trip), rounded up to the next step: TCP and TLS take two. */
export function connectTimeoutMsFor(rttMs: number): number {
  return timeoutStepsMs.find((step) => step >= 3 * rttMs) ?? maxTimeoutMs;
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
  seen: { readonly rttMs: number; readonly nowMs: number; readonly isFailover: boolean },
): ConnectTimeout {
  const { timeoutMs } = now;
  const wantedMs = connectTimeoutMsFor(seen.rttMs);
  if (seen.isFailover || wantedMs === timeoutMs) return { timeoutMs };
  if (wantedMs > timeoutMs) return { timeoutMs: wantedMs };
  const shorterSinceMs = now.shorterSinceMs ?? seen.nowMs;
  if (seen.nowMs - shorterSinceMs < steadyMs) return { timeoutMs, shorterSinceMs };
  return { timeoutMs: wantedMs };
}
