/**
 * Names that a client holds, the view has no more, and it was not told to remove yet: others of its
 * resources may still refer to them. Each gets a time when it may be told.
 */
export class GoneNames {
  /** In ms by the clock of whoever asks; undefined: none yet. */
  readonly #dueAtMs = new Map<string, number | undefined>();

  get size(): number {
    return this.#dueAtMs.size;
  }

  names(): Iterable<string> {
    return this.#dueAtMs.keys();
  }

  /** A name that is gone already keeps its time. */
  add(name: string): void {
    if (!this.#dueAtMs.has(name)) this.#dueAtMs.set(name, undefined);
  }

  delete(name: string): void {
    this.#dueAtMs.delete(name);
  }

  /** It came back, were it for a moment: whatever refers to it again gets the whole grace. */
  restart(name: string): void {
    if (this.#dueAtMs.has(name)) this.#dueAtMs.set(name, undefined);
  }

  /** Gives each its time, unless it has one. */
  schedule(dueAtMs: number): void {
    for (const [name, atMs] of this.#dueAtMs) {
      if (atMs === undefined) this.#dueAtMs.set(name, dueAtMs);
    }
  }

  /** Those whose time has come, of at most about `maxBytes`; they stay until they are deleted. */
  due(nowMs: number, maxBytes: number): string[] {
    const due: string[] = [];
    let bytes = 0;
    for (const [name, atMs] of this.#dueAtMs) {
      if (atMs === undefined || atMs > nowMs || bytes > maxBytes) continue;
      due.push(name);
      bytes += name.length;
    }
    return due;
  }

  /** The earliest time at which `due` has something. */
  get earliestMs(): number | undefined {
    const times = [...this.#dueAtMs.values()].filter((atMs) => atMs !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }
}
