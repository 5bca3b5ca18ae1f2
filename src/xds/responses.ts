import { encodeDeltaResponse } from "./codec.ts";
import { type Resource, typeUrls, type XdsType } from "./resource.ts";

/** What one response carried: names and versions, no bytes, so that waiting for an answer costs little. */
export interface Receipt {
  readonly type: XdsType;
  readonly nonce: string;
  readonly names: readonly string[];
  /** Versions of `names`, by index. */
  readonly versions: readonly string[];
  readonly removed: readonly string[];
}

/** A response, encoded once for all streams that need the same one. */
export interface Delivery {
  readonly bytes: Buffer;
  readonly receipt: Receipt;
  /** Number of the response among all of this process; the nonce. Rises within each stream. */
  readonly push: number;
}

export interface Content {
  readonly type: XdsType;
  /** What changes for the client. */
  readonly upserts: readonly Resource[];
  readonly removed: readonly string[];
  /** All that it has afterwards, where the dialect says that and not what changes. */
  readonly whole?: readonly Resource[];
}

/** How a dialect of the protocol puts a response into bytes. */
export type Encode = (content: Content, nonce: string) => Buffer;

const encodeDelta: Encode = ({ type, upserts, removed }, nonce) =>
  encodeDeltaResponse({ typeUrl: typeUrls[type], nonce, upserts, removed });

// Holds the 1,000 clusters and endpoints of a mesh several times over, while a fleet reconnects.
const maxCachedBytes = 8 * 1024 * 1024;

/**
 * Encodes responses and shares them: two streams that lack the same resources get the same bytes, nonce
 * included.
 */
export class Responses {
  readonly #encodeContent: Encode;
  #lastPush = 0;
  #cachedBytes = 0;
  readonly #cached = new Map<string, Cached>();

  constructor(encode: Encode = encodeDelta) {
    this.#encodeContent = encode;
  }

  /** A response for a stream whose latest one was `after`: no nonce comes twice on a stream. */
  deliver(content: Content, options: { readonly after: number }): Delivery {
    const key = keyOf(content);
    const cached = this.#cached.get(key);
    const isUsable = cached !== undefined && cached.delivery.push > options.after;
    if (isUsable && isSameContent(cached.content, content)) return cached.delivery;
    const delivery = this.#encode(content);
    this.#keep(key, { content, delivery });
    return delivery;
  }

  #encode(content: Content): Delivery {
    const push = ++this.#lastPush;
    const nonce = String(push);
    const { type, upserts, removed } = content;
    const names = upserts.map((resource) => resource.name);
    const versions = upserts.map((resource) => resource.version);
    const bytes = this.#encodeContent(content, nonce);
    return { bytes, receipt: { type, nonce, names, versions, removed }, push };
  }

  #keep(key: string, cached: Cached): void {
    this.#cachedBytes += bytesOf(cached) - bytesOf(this.#cached.get(key));
    this.#cached.delete(key);
    this.#cached.set(key, cached);
    for (const [oldest, one] of this.#cached) {
      if (this.#cachedBytes <= maxCachedBytes) break;
      this.#cached.delete(oldest);
      this.#cachedBytes -= bytesOf(one);
    }
  }
}

interface Cached {
  readonly content: Content;
  readonly delivery: Delivery;
}

function bytesOf(cached: Cached | undefined): number {
  return cached?.delivery.bytes.length ?? 0;
}

/**
 * Where to look, not what is there: a text of all names and versions, made for each response of each
 * stream, would be the greater part of the garbage that a returning fleet makes.
 */
function keyOf({ type, upserts, removed, whole }: Content): string {
  const ends = [upserts[0]?.version, upserts.at(-1)?.version, whole?.[0]?.version];
  return [type, upserts.length, removed.length, whole?.length, ...ends, removed[0]].join(" ");
}

function isSameContent(a: Content, b: Content): boolean {
  return (
    a.type === b.type &&
    areSame(a.upserts, b.upserts) &&
    areSame(a.whole, b.whole) &&
    a.removed.length === b.removed.length &&
    a.removed.every((name, index) => name === b.removed[index])
  );
}

function areSame(a: readonly Resource[] | undefined, b: readonly Resource[] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((one, index) => isSameResource(one, b[index]));
}

function isSameResource(a: Resource, b: Resource | undefined): boolean {
  return a === b || (a.name === b?.name && a.version === b.version);
}
