import type { Clock } from "../../../mesh/ports.ts";

// Silence of a replica for so long means that it is gone, with the streams that it had.
const replicaGoneMs = 60_000;

/** The other agents of this member, each process of them for itself, and when they were heard last. */
export class ReplicaLives {
  readonly #clock: Clock;
  readonly #hasReplicas: boolean;
  readonly #seenAtMs = new Map<string, number>();
  readonly #startedAtMs: number;

  constructor(clock: Clock, { hasReplicas }: { readonly hasReplicas: boolean }) {
    this.#clock = clock;
    this.#hasReplicas = hasReplicas;
    this.#startedAtMs = clock.monotonicMs();
  }

  hear(life: string): void {
    this.#seenAtMs.set(life, this.#clock.monotonicMs());
  }

  /** Whether what had its streams there has to wait for them here. */
  isGone(life: string): boolean {
    const seenAtMs = this.#seenAtMs.get(life) ?? this.#startedAtMs;
    return !this.#hasReplicas || this.#clock.monotonicMs() - seenAtMs >= replicaGoneMs;
  }
}
