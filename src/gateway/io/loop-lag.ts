import type { Clock } from "../../mesh/ports.ts";

const tickMs = 25;
// Nobody asks about more than the longest probe.
const keepMs = 10_000;

interface Late {
  readonly atMs: number;
  readonly lagMs: number;
}

/** Measures how late the event loop runs, so that nobody takes our own stall for somebody's death. */
export class LoopLag implements Disposable {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #timer: NodeJS.Timeout;
  #lastTickMs: number;
  #lates: Late[] = [];

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
    this.#lastTickMs = clock.monotonicMs();
    this.#timer = setInterval(() => this.#tick(), tickMs);
    this.#timer.unref();
  }

  /** The worst lag seen since then, in milliseconds; a stall that is just ending counts too. */
  worstSince(sinceMs: number): number {
    const present = this.#lag(this.#clock.monotonicMs());
    const past = this.#lates.filter((late) => late.atMs >= sinceMs).map((late) => late.lagMs);
    return Math.max(0, present, ...past);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const nowMs = this.#clock.monotonicMs();
    const lagMs = this.#lag(nowMs);
    this.#lastTickMs = nowMs;
    if (lagMs > tickMs) this.#lates.push({ atMs: nowMs, lagMs });
    const oldest = this.#lates[0];
    if (oldest !== undefined && nowMs - oldest.atMs > keepMs) {
      this.#lates = this.#lates.filter((late) => nowMs - late.atMs <= keepMs);
    }
  }

  #lag(nowMs: number): number {
    return nowMs - this.#lastTickMs - tickMs;
  }
}
