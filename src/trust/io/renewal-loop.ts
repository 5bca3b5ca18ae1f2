import { setTimeout as wait } from "node:timers/promises";
import type { Clock } from "../../mesh/ports.ts";

/** Something that is renewed in time, until the signal aborts. */
export interface RenewalLoop {
  /** Epoch milliseconds; asked at the start and after each success. */
  readonly dueMs: () => number;
  readonly renew: () => Promise<void>;
  /** Tells of a failure that `renew` threw and answers how long to wait; `failures` counts from 1. */
  readonly onFailure: (thrown: unknown, failures: number) => number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Tells of a reason to renew now, before its time; returns its own cancellation. */
  readonly onDue?: (listener: () => void) => () => void;
  /** Ends early, without throwing, when the signal aborts. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

// Clocks jump and machines sleep; the date is looked at again this often.
const maxSleepMs = 60_000;

export async function renewWhenDue(loop: RenewalLoop): Promise<void> {
  const { clock, signal, sleep = sleepUnlessAborted } = loop;
  let failures = 0;
  let dueMs = loop.dueMs();
  let wake: AbortController | undefined;
  let calls = 0;
  const cancel = loop.onDue?.(() => {
    calls += 1;
    dueMs = clock.nowMs();
    wake?.abort();
  });
  while (!signal.aborted) {
    if (clock.nowMs() < dueMs) {
      if (cancel !== undefined) wake = new AbortController();
      const either = wake === undefined ? signal : AbortSignal.any([signal, wake.signal]);
      await sleep(Math.min(dueMs - clock.nowMs(), maxSleepMs), either);
      continue;
    }
    const before = calls;
    try {
      await loop.renew();
      failures = 0;
      // What made it due meanwhile is not in what was just renewed.
      if (calls === before) dueMs = loop.dueMs();
    } catch (thrown) {
      if (signal.aborted) break;
      failures += 1;
      dueMs = clock.nowMs() + loop.onFailure(thrown, failures);
    }
  }
  cancel?.();
}

async function sleepUnlessAborted(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal, ref: false }).catch(() => undefined);
}
