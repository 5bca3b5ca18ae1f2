import type { Audience } from "./audience.ts";

interface Viewed {
  readonly audience: Audience;
  streams: number;
}

/** Audiences by zone, or by whatever tells them apart; each is kept for as long as some stream views it. */
export class ViewedAudiences {
  readonly #byKey = new Map<string, Viewed>();

  /** One stream more views it; `leave` when that ends. */
  enter(key: string, make: () => Audience): Audience {
    const viewed = this.#byKey.get(key) ?? { audience: make(), streams: 0 };
    viewed.streams += 1;
    this.#byKey.set(key, viewed);
    return viewed.audience;
  }

  leave(key: string): void {
    const viewed = this.#byKey.get(key);
    if (viewed === undefined) return;
    viewed.streams -= 1;
    if (viewed.streams === 0) this.#byKey.delete(key);
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** How many streams view each. */
  streams(): ReadonlyMap<string, number> {
    return new Map([...this.#byKey].map(([key, { streams }]) => [key, streams]));
  }

  audiences(): readonly Audience[] {
    return [...this.#byKey.values()].map(({ audience }) => audience);
  }
}
