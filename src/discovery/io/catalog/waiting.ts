import { MeshError } from "../../../mesh/errors.ts";
import type { Timers } from "../../timers.ts";

/** Resolves after the time, or at once when the signal is aborted; never rejects. */
export function pause(
  delayMs: number,
  options: { readonly timers: Timers; readonly signal: AbortSignal },
): Promise<void> {
  const { timers, signal } = options;
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = timers.after(delayMs, done);
    signal.addEventListener("abort", done, { once: true });
  });
}

/**
 * Runs a call to a hub under a deadline. Throws MESH_CATALOG_UNAVAILABLE when it is over, also where
 * the call does not heed its signal: a hung hub must not hang the rest.
 */
export function within<Result>(
  limit: {
    readonly ms: number;
    readonly timers: Timers;
    readonly signal: AbortSignal;
    readonly what: string;
  },
  run: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const own = new AbortController();
  return new Promise((resolve, reject) => {
    const stop = (reason: unknown): void => {
      own.abort(reason);
      reject(reason);
    };
    const cancel = limit.timers.after(limit.ms, () =>
      stop(
        new MeshError(
          "MESH_CATALOG_UNAVAILABLE",
          `Cannot ${limit.what}: no answer within ${limit.ms} ms`,
        ),
      ),
    );
    const onAbort = (): void => stop(limit.signal.reason);
    const settled = (): void => {
      cancel();
      limit.signal.removeEventListener("abort", onAbort);
    };
    if (limit.signal.aborted) {
      cancel();
      return reject(limit.signal.reason);
    }
    limit.signal.addEventListener("abort", onAbort, { once: true });
    run(own.signal).then(resolve, reject).finally(settled);
  });
}
