import { setTimeout as delay } from "node:timers/promises";

/** Waits, or not any longer once the signal is given. Never throws. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch {
    // The only way to fail is to be interrupted, and the caller looks at the signal.
  }
}
