// What says why a process ends comes right before its end; stack traces after it come at once.
const breathMs = 1_000;
const maxLength = 300;

/** Remembers what an Envoy said with its last breath. */
export class LastWords {
  #words = "";
  #atMs = Number.NEGATIVE_INFINITY;

  /** An error that it told. The first of several in a row says what is wrong, those after it where. */
  note(text: string, nowMs: number): void {
    if (nowMs - this.#atMs > breathMs) this.#words = text.slice(0, maxLength);
    this.#atMs = nowMs;
  }

  /** Of a run that has ended just now; undefined: it said nothing of its end. */
  take(nowMs: number): string | undefined {
    const words = nowMs - this.#atMs > breathMs ? undefined : this.#words;
    this.#atMs = Number.NEGATIVE_INFINITY;
    return words;
  }
}
