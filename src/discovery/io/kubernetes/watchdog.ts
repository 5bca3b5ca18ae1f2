/** Ends an attempt that nothing is heard of. */
export class Watchdog implements Disposable {
  readonly #attempt: AbortController;
  #timer: NodeJS.Timeout;
  #limitMs: number;
  #hasBitten = false;

  constructor(attempt: AbortController, limitMs: number) {
    this.#attempt = attempt;
    this.#limitMs = limitMs;
    this.#timer = this.#arm();
  }

  /** From now on, and again from each sign of life. */
  expectWithin(limitMs: number): void {
    this.#limitMs = limitMs;
    clearTimeout(this.#timer);
    this.#timer = this.#arm();
  }

  /** The same body; each part of it is a sign of life. */
  async *heard(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      this.#timer.refresh();
      yield chunk;
    }
  }

  /** Why it ended the attempt; undefined: it did not. */
  reason(): string | undefined {
    return this.#hasBitten ? `nothing was heard for ${Math.round(this.#limitMs)} ms` : undefined;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #arm(): NodeJS.Timeout {
    return setTimeout(() => {
      this.#hasBitten = true;
      this.#attempt.abort();
    }, this.#limitMs);
  }
}
