import type { Clock, Log } from "../../mesh/ports.ts";
import type { EngineCounters, RefusalReason } from "../counters.ts";

// One line per reason in this time: an attacker must not be able to fill the disk.
const quietMs = 10_000;

/** Counts every refusal and logs few of them. */
export class RefusalLog {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #counters: EngineCounters;
  readonly #last = new Map<RefusalReason, { atMs: number; unsaid: number }>();

  constructor(options: {
    readonly log: Log;
    readonly clock: Clock;
    readonly counters: EngineCounters;
  }) {
    this.#log = options.log;
    this.#clock = options.clock;
    this.#counters = options.counters;
  }

  note(reason: RefusalReason, about: object): void {
    this.#counters.refused[reason] += 1;
    const nowMs = this.#clock.monotonicMs();
    const last = this.#last.get(reason);
    if (last !== undefined && nowMs - last.atMs < quietMs) {
      last.unsaid += 1;
      return;
    }
    this.#last.set(reason, { atMs: nowMs, unsaid: 0 });
    this.#log.warn({ reason, suppressed: last?.unsaid ?? 0, ...about }, "Connection refused");
  }
}
