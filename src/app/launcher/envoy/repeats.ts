const toldEach = 5;
const oneIn = 15;
// Long after the last of its kind, the next is news again.
const forgottenAfterMs = 300_000;
const maxShapes = 200;

export type Telling =
  | { readonly t: "tell"; readonly suppressed: number }
  | { readonly t: "suppress" };

interface Seen {
  count: number;
  suppressed: number;
  lastMs: number;
}

/**
 * Thins out what is said again and again: the first few of a kind, then one in fifteen with the number of those
 * left out. Lines are of one kind when they differ in numbers only, addresses in a stack trace among them.
 */
export class Repeats {
  readonly #seen = new Map<string, Seen>();

  take(text: string, nowMs: number): Telling {
    const shape = text.replaceAll(/0x[\da-f]+|\b[\da-f]{8,}\b|\d+/g, "0").slice(0, 200);
    const seen = this.#fresh(shape, nowMs);
    // The one said last moves to the end, so that the oldest kind is forgotten first.
    this.#seen.delete(shape);
    this.#seen.set(shape, seen);
    seen.count += 1;
    seen.lastMs = nowMs;
    if (seen.count > toldEach && seen.count % oneIn !== 0) {
      seen.suppressed += 1;
      return { t: "suppress" };
    }
    const { suppressed } = seen;
    seen.suppressed = 0;
    return { t: "tell", suppressed };
  }

  #fresh(shape: string, nowMs: number): Seen {
    const known = this.#seen.get(shape);
    if (known !== undefined && nowMs - known.lastMs < forgottenAfterMs) return known;
    if (this.#seen.size >= maxShapes) {
      const [oldest] = this.#seen.keys();
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
    return { count: 0, suppressed: 0, lastMs: nowMs };
  }
}
