import { reasonOf } from "../../mesh/errors.ts";
import type { Clock, Log } from "../../mesh/ports.ts";
import type { VerifyToken } from "../../mesh/token.ts";
import { judgeToken } from "../tokens/judge-token.ts";
import { readTokenHeader } from "../tokens/token-header.ts";
import type { TokenKeys } from "../tokens/token-keys.ts";

/** Who signs tokens, and with which keys. */
export interface TokenIssuer {
  /** `iss` of its tokens. */
  readonly issuer: string;
  readonly keys: TokenKeys;
}

export interface TokenKeyCacheOptions {
  /** Asks for them; rejects in a bounded time when nobody answers. */
  readonly read: () => Promise<TokenIssuer>;
  readonly clock: Clock;
  readonly log: Log;
}

// A key that its cluster took back counts this long at most while the cluster answers.
const freshMs = 300_000;
// Whoever sends tokens of made-up keys makes us ask no more often than this.
const minPauseMs = 10_000;

/**
 * Keys of a token issuer, asked for when a token needs them and they are old, or it names one that is not
 * among them. The last good ones stay for as long as the issuer is away.
 */
export class TokenKeyCache {
  readonly #options: TokenKeyCacheOptions;
  #last: TokenIssuer | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  #failure = "they were not asked for yet";

  constructor(options: TokenKeyCacheOptions) {
    this.#options = options;
  }

  /** Undefined: none were ever read; `failure` says why. */
  async issuerFor(keyId: string): Promise<TokenIssuer | undefined> {
    const isFresh = this.#options.clock.monotonicMs() - this.#readAtMs < freshMs;
    if (!isFresh || this.#last?.keys.has(keyId) !== true) await this.#refresh();
    return this.#last;
  }

  /** Why they could not be read the last time. */
  get failure(): string {
    return this.#failure;
  }

  async #refresh(): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#reading === undefined && nowMs - this.#triedAtMs >= minPauseMs) {
      this.#triedAtMs = nowMs;
      this.#reading = this.#read().finally(() => {
        this.#reading = undefined;
      });
    }
    await this.#reading;
  }

  async #read(): Promise<void> {
    const { read, clock, log } = this.#options;
    try {
      this.#last = await read();
      this.#readAtMs = clock.monotonicMs();
    } catch (thrown) {
      this.#failure = reasonOf(thrown);
      log.warn({ reason: this.#failure }, "Token keys could not be read");
    }
  }
}

/** Judges tokens by the issuer's keys alone: it does not learn that a pod has ended. */
export function verifyByKeys(options: {
  readonly cache: TokenKeyCache;
  readonly audience: string;
  readonly clock: Clock;
}): VerifyToken {
  const { cache, audience, clock } = options;
  return async (token) => {
    const text = token.reveal();
    const read = readTokenHeader(text);
    if (read.t === "refused") return read;
    const issuer = await cache.issuerFor(read.header.keyId);
    if (issuer === undefined) {
      return {
        t: "unknown",
        reason: `the keys of the token's issuer are not known: ${cache.failure}`,
      };
    }
    return await judgeToken(text, { ...issuer, audience, nowMs: clock.nowMs() });
  };
}
