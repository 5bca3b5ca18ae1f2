import type { Clock } from "../../../mesh/ports.ts";

export interface KnowledgeOptions {
  readonly clock: Clock;
  /** Own sources are synced, and all that is known so far is made into resources. */
  readonly isBuilt: () => boolean;
  /** As far as the catalog goes, streams may be served. */
  readonly isCatalogWarm: () => boolean;
  /** Shards of some members are neither loaded nor known to be absent. */
  readonly isAnyMissing: () => boolean;
  readonly onNews: () => void;
}

// The first request of a mesh waits for an agent to become warm.
const pollMs = 25;
// Until then an agent that waits for a missing shard takes nothing away from proxies that return.
const settleAfterMs = 600_000;

/** How much of the mesh this agent knows since it started; both only ever turn true. */
export class Knowledge implements Disposable {
  readonly #options: KnowledgeOptions;
  readonly #startedAtMs: number;
  #isWarm = false;
  #isSettled = false;
  #poll: NodeJS.Timeout | undefined;

  constructor(options: KnowledgeOptions) {
    this.#options = options;
    this.#startedAtMs = options.clock.monotonicMs();
  }

  /** Whether xDS streams may be served. */
  isWarm(): boolean {
    return this.#isWarm;
  }

  /** Whether everything is known that may still come. */
  isSettled(): boolean {
    return this.#isSettled;
  }

  /** Looks again and again until all is known. */
  start(): void {
    this.#poll = setInterval(() => this.judge(), pollMs);
  }

  /** Call when something became known that an agent that is not warm may wait for. */
  judge(): void {
    const { clock, isBuilt, isCatalogWarm, isAnyMissing, onNews } = this.#options;
    const isWarm = this.#isWarm || (isBuilt() && isCatalogWarm());
    const ageMs = clock.monotonicMs() - this.#startedAtMs;
    const isComplete = !isAnyMissing() || ageMs >= settleAfterMs;
    const isSettled = this.#isSettled || (isWarm && isComplete);
    const isNews = isWarm !== this.#isWarm || isSettled !== this.#isSettled;
    this.#isWarm = isWarm;
    this.#isSettled = isSettled;
    if (isSettled) clearInterval(this.#poll);
    if (isNews) onNews();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#poll);
  }
}
