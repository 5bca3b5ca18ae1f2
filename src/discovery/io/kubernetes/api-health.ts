import type { Clock } from "../../../mesh/ports.ts";

/** When an API server was last heard over one pool of connections; times are of the monotonic clock. */
export interface ApiHealth {
  /** Answers, refusals and what watches bring; undefined: nothing yet. */
  readonly heardAtMs: number | undefined;
  /** Of the last attempt that got no answer. */
  readonly failed: { readonly reason: string; readonly atMs: number } | undefined;
}

export interface HealthRecorder {
  readonly heard: () => void;
  readonly failed: (reason: string) => void;
  readonly health: () => ApiHealth;
}

export function createHealthRecorder(clock: Pick<Clock, "monotonicMs">): HealthRecorder {
  let heardAtMs: number | undefined;
  let failed: ApiHealth["failed"];
  return {
    heard: () => {
      heardAtMs = clock.monotonicMs();
    },
    failed: (reason) => {
      failed = { reason, atMs: clock.monotonicMs() };
    },
    health: () => ({ heardAtMs, failed }),
  };
}
