import type { Clock } from "../../../mesh/ports.ts";

// Five hundred that come at once change one service; its endpoints are not listed five hundred times.
const paceMs = 100;

/** Passes on what changed: at once after a quiet time, else together with what comes meanwhile. */
export class PacedFlush implements Disposable {
  readonly #clock: Clock;
  /** Returns whether there was anything. */
  readonly #flush: () => boolean;
  #planned: NodeJS.Timeout | undefined;
  #flushedAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, flush: () => boolean) {
    this.#clock = clock;
    this.#flush = flush;
  }

  soon(): void {
    if (this.#planned !== undefined) return;
    const sinceMs = this.#clock.monotonicMs() - this.#flushedAtMs;
    if (sinceMs >= paceMs) return this.now();
    this.#planned = setTimeout(() => this.now(), paceMs - sinceMs);
  }

  now(): void {
    clearTimeout(this.#planned);
    this.#planned = undefined;
    if (this.#flush()) this.#flushedAtMs = this.#clock.monotonicMs();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#planned);
  }
}
