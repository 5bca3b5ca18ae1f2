import type { EntryVersion, Registered } from "../../../discovery/registration/registered.ts";
import type { Clock } from "../../../mesh/ports.ts";
import { type TakenOverOptions, takenOver } from "./taken-over.ts";

export interface LeaveWitnessesOptions {
  /** How far this agent's proxies are. */
  readonly proxies: TakenOverOptions;
  readonly clock: Clock;
}

// Each is asked every second.
const silentAfterMs = 5_000;
// As long as whoever leaves waits.
const watchMs = 60_000;
const lookEveryMs = 100;
const maxMarks = 10_000;

/** Tells one goodbye from the next. */
export function leaveMark({
  key,
  sequence,
  change,
}: EntryVersion & { readonly key: string }): string {
  return `${key} ${sequence} ${change}`;
}

/**
 * Who leaves has its stream at one agent and callers at all of them: each says of which goodbyes its own
 * proxies have taken over, and the one that was told waits for the others.
 */
export class LeaveWitnesses {
  readonly #options: LeaveWitnessesOptions;
  readonly #watched = new Map<string, AbortController>();
  readonly #taken = new Set<string>();
  readonly #heard = new Map<
    string,
    { readonly atMs: number; readonly taken: ReadonlySet<string> }
  >();

  constructor(options: LeaveWitnessesOptions) {
    this.#options = options;
  }

  /** Goodbyes that this agent's proxies have taken over. */
  taken(): readonly string[] {
    return [...this.#taken];
  }

  /** What is known of others' workloads, after it was made into endpoints. */
  look(entries: Iterable<Registered>): void {
    const leaving = new Set<string>();
    for (const entry of entries) if (entry.stream.t === "leaving") leaving.add(leaveMark(entry));
    for (const mark of leaving) if (!this.#watched.has(mark)) void this.#watch(mark);
    for (const [mark, ending] of this.#watched) {
      if (leaving.has(mark)) continue;
      ending.abort();
      this.#watched.delete(mark);
      this.#taken.delete(mark);
    }
  }

  /** What another agent says of its proxies. */
  hear(life: string, taken: readonly unknown[]): void {
    const marks = taken.slice(0, maxMarks).filter((one) => typeof one === "string");
    this.#heard.set(life, { atMs: this.#options.clock.monotonicMs(), taken: new Set(marks) });
  }

  /** Resolves when all other agents that answer have said so; when the signal aborts, with those that have not. */
  async others(mark: string, signal: AbortSignal): Promise<readonly string[]> {
    const missing = (): readonly string[] => {
      const nowMs = this.#options.clock.monotonicMs();
      return [...this.#heard].flatMap(([life, { atMs, taken }]) =>
        nowMs - atMs < silentAfterMs && !taken.has(mark) ? [`agent ${life}`] : [],
      );
    };
    return await new Promise((resolve) => {
      const end = (): void => {
        clearInterval(timer);
        signal.removeEventListener("abort", end);
        resolve(missing());
      };
      const timer = setInterval(() => missing().length === 0 && end(), lookEveryMs);
      signal.addEventListener("abort", end);
      if (signal.aborted || missing().length === 0) end();
    });
  }

  [Symbol.dispose](): void {
    for (const ending of this.#watched.values()) ending.abort();
    this.#watched.clear();
  }

  async #watch(mark: string): Promise<void> {
    const ending = new AbortController();
    this.#watched.set(mark, ending);
    const limit = AbortSignal.any([ending.signal, AbortSignal.timeout(watchMs)]);
    const late = await takenOver(this.#options.proxies, limit);
    if (late.length === 0 && !limit.aborted) this.#taken.add(mark);
  }
}
