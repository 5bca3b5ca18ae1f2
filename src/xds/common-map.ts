/**
 * What many streams hold alike, kept once. A fleet of sidecars has the same thousand names and versions;
 * a table of them for each stream was half of what a stream cost.
 */
export class CommonContents {
  /** By size and by some of the content: few ever share a key, so each is compared in full. */
  readonly #known = new Map<string, WeakRef<ReadonlyMap<string, string>>>();

  /** The shared content that equals this one; a copy of this one, from now on, where there is none. */
  share(content: Pick<CommonMap, "size" | "entries">): ReadonlyMap<string, string> {
    const key = keyOf(content);
    const known = this.#known.get(key)?.deref();
    if (known !== undefined && isEqual(known, content)) return known;
    const fresh = new Map(content.entries());
    this.#known.set(key, new WeakRef(fresh));
    if (this.#known.size > maxKnown) this.#forgetDead();
    return fresh;
  }

  #forgetDead(): void {
    for (const [key, content] of this.#known) {
      if (content.deref() === undefined) this.#known.delete(key);
    }
    // All alive: streams that differ this much have little in common anyway.
    if (this.#known.size > maxKnown) this.#known.clear();
  }
}

const maxKnown = 256;
/** Below this, what a stream has of its own costs less than looking for others who have it too. */
const minShared = 64;

/** A map of which the greater part may be shared with others. */
export class CommonMap {
  #base: ReadonlyMap<string, string> = nothing;
  /** Differs from the base; null: not there. */
  #own = new Map<string, string | null>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(name: string): string | undefined {
    const own = this.#own.get(name);
    return own === undefined ? this.#base.get(name) : (own ?? undefined);
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  set(name: string, value: string): void {
    const own = this.#own.get(name);
    const base = this.#base.get(name);
    const before = own === undefined ? base : (own ?? undefined);
    if (before === value) return;
    if (before === undefined) this.#size += 1;
    if (base === value) this.#own.delete(name);
    else this.#own.set(name, value);
  }

  delete(name: string): boolean {
    if (!this.has(name)) return false;
    this.#size -= 1;
    if (this.#base.has(name)) this.#own.set(name, null);
    else this.#own.delete(name);
    return true;
  }

  *keys(): Generator<string> {
    for (const [name] of this.entries()) yield name;
  }

  *entries(): Generator<[string, string]> {
    for (const [name, value] of this.#base) if (!this.#own.has(name)) yield [name, value];
    for (const [name, value] of this.#own) if (value !== null) yield [name, value];
  }

  /** Call when the content is as it will be for a while: looks for others who have the same. */
  settle(contents: CommonContents): void {
    // A few differences are kept: to look at everything after each change would cost more than they do.
    const isWorthIt = this.#own.size >= minShared && this.#own.size * 4 >= this.#size;
    if (!isWorthIt) return;
    this.#base = contents.share(this);
    this.#own = new Map();
  }
}

const nothing: ReadonlyMap<string, string> = new Map();

function keyOf(content: Pick<CommonMap, "size" | "entries">): string {
  const [first] = content.entries();
  return `${content.size} ${first?.join(" ") ?? ""}`;
}

function isEqual(
  known: ReadonlyMap<string, string>,
  content: Pick<CommonMap, "size" | "entries">,
): boolean {
  if (known.size !== content.size) return false;
  for (const [name, value] of content.entries()) if (known.get(name) !== value) return false;
  return true;
}
