import { backoffCeilingMs, inUpperHalf } from "../mesh/backoff.ts";
import type { Random } from "../mesh/ports.ts";

export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/**
 * When to replace a certificate: at half its life, moved by up to ±10 % of that half so that a fleet
 * started together does not renew together. `phase` is in [0, 1), and its holder keeps it for all of its
 * renewals: with a new one each time the holders that are early once and late once would meet in the middle.
 * Source: SPIRE's half-life rotation.
 */
export function renewAtMs(validity: Validity, phase: number): number {
  const halfMs = (validity.notAfterMs - validity.notBeforeMs) / 2;
  return validity.notBeforeMs + halfMs * (0.9 + 0.2 * phase);
}

// Of a whole life: half an hour of a day, a week of a year. Who is late by more has failed many times.
const slackRatio = 0.02;

/** Whether its holder should have renewed it long since, whatever its phase, and has not come to it by retrying. */
export function isOverdue(validity: Validity, nowMs: number): boolean {
  const lifeMs = validity.notAfterMs - validity.notBeforeMs;
  return nowMs > renewAtMs(validity, 1) + slackRatio * lifeMs;
}

/** Whether so little of its life is left that somebody has to act now. */
export function isEnding(validity: Validity, nowMs: number): boolean {
  return nowMs > validity.notAfterMs - (validity.notAfterMs - validity.notBeforeMs) / 10;
}

/** The conjugate of the golden ratio: no number's multiples spread more evenly over [0, 1). */
const golden = (Math.sqrt(5) - 1) / 2;

/**
 * Phases for those who are issued to one after the other: any run of them is spread evenly, which draws are
 * not: with 70 renewals a minute chance alone puts 100 into one. `random` sets where the sequence begins, so
 * that several agents do not begin at the same place.
 */
export function evenPhases(random: Random): () => number {
  let phase = random();
  return () => {
    phase = (phase + golden) % 1;
    return phase;
  };
}

// The first try soon, because most failures are an agent that restarts; then no more than one a
// minute from each launcher, so that a cut-off site does not meet its agent with a storm.
const retry = { firstMs: 1000, maxMs: 60_000 } as const;

/** Exponential, capped, at random in its upper half. `failures` counts from 1. */
export function retryDelayMs(failures: number, random: Random): number {
  return inUpperHalf(backoffCeilingMs(retry, failures - 1), random);
}
