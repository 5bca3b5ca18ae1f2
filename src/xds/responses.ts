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
  readonly #cached = new Map<string, Delivery>();

  constructor(encode: Encode = encodeDelta) {
    this.#encodeContent = encode;
  }

  /** A response for a stream whose latest one was `after`: no nonce comes twice on a stream. */
  deliver(content: Content, options: { readonly after: number }): Delivery {
    const key = keyOf(content);
    const cached = this.#cached.get(key);
    if (cached !== undefined && cached.push > options.after) return cached;
    const delivery = this.#encode(content);
    this.#keep(key, delivery);
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

  #keep(key: string, delivery: Delivery): void {
    this.#cachedBytes += delivery.bytes.length - (this.#cached.get(key)?.bytes.length ?? 0);
    this.#cached.delete(key);
    this.#cached.set(key, delivery);
    for (const [oldest, { bytes }] of this.#cached) {
      if (this.#cachedBytes <= maxCachedBytes) break;
      this.#cached.delete(oldest);
      this.#cachedBytes -= bytes.length;
    }
  }
}

function keyOf(content: Content): string {
  const versions = (resources: readonly Resource[] = []): string[] =>
    resources.flatMap(({ name, version }) => [name, version]);
  const { type, upserts, removed, whole } = content;
  return JSON.stringify([type, versions(upserts), removed, versions(whole)]);
}
