import type { Clock } from "../../mesh/ports.ts";

// Lists of 5,000 objects take a second; whoever waits for longer waits for something that is broken.
const limitMs = 10_000;

/**
 * Whether proxies may be served as far as imports go: an agent that has just started would take from sidecars the
 * addresses of imports that it has not read yet. Only ever turns true; waits no longer than 10 s after it is first asked.
 */
export function createImportWait(options: {
  readonly isKnown: () => boolean;
  /** The API server says no: that may last. */
  readonly isRefused: () => boolean;
  readonly clock: Pick<Clock, "monotonicMs">;
}): () => boolean {
  const { isKnown, isRefused, clock } = options;
  let sinceMs: number | undefined;
  let isOver = false;
  return () => {
    sinceMs ??= clock.monotonicMs();
    isOver ||= isKnown() || isRefused() || clock.monotonicMs() - sinceMs >= limitMs;
    return isOver;
  };
}
