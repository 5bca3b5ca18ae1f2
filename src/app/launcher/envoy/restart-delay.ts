import { backoffCeilingMs } from "../../../mesh/backoff.ts";
import type { Random } from "../../../mesh/ports.ts";

const backoff = { firstMs: 200, maxMs: 30_000 } as const;

/**
 * How long to wait before the next start after so many failures in a row: the first comes soon, since most
 * crashes happen once; full jitter, since what crashed one proxy of a host may have crashed all.
 */
export function restartDelayMs(failures: number, random: Random): number {
  return Math.round(random() * backoffCeilingMs(backoff, failures));
}
