/**
 * What many streams hold alike, kept once. A fleet of sidecars has the same thousand names and versions;
 * a table of them for each stream was half of what a stream cost. Each has a few of its own beside them,
 * such as the Envoy clusters of its own application.
 */
export class CommonContents {
  /** Latest use first. */
  #known: WeakRef<ReadonlyMap<string, string>>[] = [];

  /** The content as one that others have too and what differs from it; alone where none is alike. */
  share(content: Pick<CommonMap, "size" | "get" | "entries">): SharedContent {
    for (const reference of this.#known) {
      const base = reference.deref();
      const own = base === undefined ? undefined : differences(base, content);
      if (base === undefined || own === undefined) continue;
      this.#remember(base, reference);
      return { base, own };
    }
    const base = new Map(content.entries());
    this.#remember(base, new WeakRef(base));
    return { base, own: new Map() };
  }

  #remember(base: ReadonlyMap<string, string>, reference: WeakRef<typeof base>): void {
    const others = this.#known.filter((one) => one !== reference && one.deref() !== undefined);
    this.#known = [reference, ...others].slice(0, maxKnown);
  }
}

export interface SharedContent {
  readonly base: ReadonlyMap<string, string>;
  /** Where it differs; null: the base has that name, and this content has not. */
  readonly own: Map<string, string | null>;
}

// A few for each type and zone. Streams that differ more than this have little in common anyway.
const maxKnown = 64;
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
    const { base, own } = contents.share(this);
    this.#base = base;
    this.#own = own;
  }
}

const nothing: ReadonlyMap<string, string> = new Map();

/** Undefined: there are too many for both to have much in common. */
function differences(
  base: ReadonlyMap<string, string>,
  content: Pick<CommonMap, "size" | "get" | "entries">,
): SharedContent["own"] | undefined {
  const most = Math.min(minShared - 1, content.size >> 2);
  if (Math.abs(base.size - content.size) > most) return undefined;
  const own: SharedContent["own"] = new Map();
  let common = 0;
  for (const [name, value] of content.entries()) {
    const known = base.get(name);
    if (known !== undefined) common += 1;
    if (known === value) continue;
    own.set(name, value);
    if (own.size > most) return undefined;
  }
  if (base.size - common + own.size > most) return undefined;
  if (base.size === common) return own;
  for (const name of base.keys()) if (content.get(name) === undefined) own.set(name, null);
  return own;
}
