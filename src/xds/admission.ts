export interface AdmissionLimits {
  readonly perSecond: number;
  /** Admitted at once after a quiet time. */
  readonly burst: number;
}

/**
 * Paces the streams that are let in: when an agent comes back, all its proxies return in the same
 * second, and each costs a whole configuration. A token bucket that is told the time.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  #tokens: number;
  #atMs: number;

  constructor(limits: AdmissionLimits, nowMs: number) {
    this.#limits = limits;
    this.#tokens = limits.burst;
    this.#atMs = nowMs;
  }

  /** True once for each stream that may come in now. */
  take(nowMs: number): boolean {
    this.#refill(nowMs);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Takes so many at once, on credit; how long until that is paid back, in milliseconds. */
  charge(count: number, nowMs: number): number {
    this.#refill(nowMs);
    this.#tokens -= count;
    return Math.max(0, Math.ceil((-this.#tokens / this.#limits.perSecond) * 1000));
  }

  /** As if nothing had ever been taken. */
  isFull(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#tokens >= this.#limits.burst;
  }

  /** How long until `take` is true again. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs);
    return Math.max(0, Math.ceil(((1 - this.#tokens) / this.#limits.perSecond) * 1000));
  }

  #refill(nowMs: number): void {
    const earned = (Math.max(0, nowMs - this.#atMs) / 1000) * this.#limits.perSecond;
    this.#tokens = Math.min(this.#limits.burst, this.#tokens + earned);
    this.#atMs = nowMs;
  }
}
