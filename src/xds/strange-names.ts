/**
 * Names that clients ask for and nobody has: all that a client can make an agent remember, for the names
 * of what there is are kept once for all. Counted over all streams of a server, so that one peer with many
 * streams takes no more memory than one with few.
 */
export class StrangeNames {
  readonly #most: number;
  #bytes = 0;

  constructor(most: number = defaultMost) {
    this.#most = most;
  }

  get isFull(): boolean {
    return this.#bytes > this.#most;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }
}

// An honest client asks for a few that have just gone, or are about to come.
const defaultMost = 64 * 1024 * 1024;
/** Of one type on one stream: some 50,000 names of clusters. */
const mostHere = 16 * 1024 * 1024;
// Nobody is ended for some 200, however many others ask for: those may be honest.
const littleHere = 64 * 1024;
// The tables that a name stands in, besides its characters.
const overhead = 256;

/** Those of one type on one stream. */
export class StrangeHere {
  readonly #all: StrangeNames;
  readonly #names = new Set<string>();
  #bytes = 0;

  constructor(all: StrangeNames) {
    this.#all = all;
  }

  /** It may come to be known, and still counts: whoever asked for it did so as a stranger. */
  add(name: string): void {
    if (this.#names.has(name)) return;
    this.#names.add(name);
    this.#count(name.length + overhead);
  }

  delete(name: string): void {
    if (this.#names.delete(name)) this.#count(-name.length - overhead);
  }

  clear(): void {
    this.#names.clear();
    this.#count(-this.#bytes);
  }

  /** Whether this stream is one of those that ask for too many, and there is no more room for them. */
  get isOverfull(): boolean {
    return this.#bytes > mostHere || (this.#bytes > littleHere && this.#all.isFull);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#all.add(bytes);
  }
}
