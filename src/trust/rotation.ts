import { backoffCeilingMs, inUpperHalf } from "../mesh/backoff.ts";
import type { Random } from "../mesh/ports.ts";

export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/**
 * When to replace a certificate: at half its life, moved by up to ±10 % of that half so that a fleet
 * started together does not renew together. Source: SPIRE's half-life rotation.
 */
export function rotateAtMs(validity: Validity, random: Random): number {
  const halfMs = (validity.notAfterMs - validity.notBeforeMs) / 2;
  return validity.notBeforeMs + halfMs * (0.9 + 0.2 * random());
}

// The first try soon, because most failures are an agent that restarts; then no more than one a
// minute from each launcher, so that a cut-off site does not meet its agent with a storm.
const retry = { firstMs: 1000, maxMs: 60_000 } as const;

/** Exponential, capped, at random in its upper half. `failures` counts from 1. */
export function retryDelayMs(failures: number, random: Random): number {
  return inUpperHalf(backoffCeilingMs(retry, failures - 1), random);
}
