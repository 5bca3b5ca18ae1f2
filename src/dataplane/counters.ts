/** Why a connection was not served. Closed list: these are label values of a metric. */
export const refusalReasons = [
  "not-tls",
  "malformed",
  "too-large",
  "hello-timeout",
  "hello-cut",
  "hello-evicted",
  "no-filter-chain",
  "no-cluster",
  "no-host",
  "handshake-failed",
  "handshake-timeout",
  "no-validation",
  "not-allowed",
  "over-limit",
  "draining",
] as const;
export type RefusalReason = (typeof refusalReasons)[number];

/** Totals since the start, except `open` and `pending`. Several workers' counters add up. */
export interface EngineCounters {
  accepted: number;
  /** Now. */
  open: number;
  /** Now: hello, handshake or connect not finished. */
  pending: number;
  connected: number;
  /** Connects and upstream handshakes that failed; each may have been retried. */
  connectFailures: number;
  retries: number;
  ejections: number;
  /** Ended by a reset after bytes had flowed. */
  resets: number;
  /** Reset because their host turned UNHEALTHY or their peer lost its permission. */
  closedByConfig: number;
  probesAnswered: number;
  xdsAcks: number;
  xdsNacks: number;
  xdsStreams: number;
  readonly refused: Record<RefusalReason, number>;
}

export function zeroCounters(): EngineCounters {
  return {
    accepted: 0,
    open: 0,
    pending: 0,
    connected: 0,
    connectFailures: 0,
    retries: 0,
    ejections: 0,
    resets: 0,
    closedByConfig: 0,
    probesAnswered: 0,
    xdsAcks: 0,
    xdsNacks: 0,
    xdsStreams: 0,
    refused: Object.fromEntries(refusalReasons.map((reason) => [reason, 0])) as Record<
      RefusalReason,
      number
    >,
  };
}

export function addCounters(parts: readonly EngineCounters[]): EngineCounters {
  const sum = zeroCounters();
  for (const part of parts) {
    for (const reason of refusalReasons) sum.refused[reason] += part.refused[reason];
    for (const [name, value] of Object.entries(part)) {
      if (typeof value === "number") sum[name as Exclude<keyof EngineCounters, "refused">] += value;
    }
  }
  return sum;
}
