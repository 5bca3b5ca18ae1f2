import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Secret } from "../../../src/mesh/secret.ts";
import {
  type TokenIssuer,
  TokenKeyCache,
  verifyByKeys,
} from "../../../src/trust/io/token-key-cache.ts";
import { parseTokenKeys } from "../../../src/trust/tokens/token-keys.ts";
import { nowMs } from "../made.ts";
import { audience, issuer, madeIssuer, madeToken } from "../tokens/made-token.ts";

const cluster = madeIssuer();
const later = madeIssuer();
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

function issuerOf(jwks: string): TokenIssuer {
  return { issuer, keys: parseTokenKeys(jwks) };
}

/** A cluster that answers what it is told to, and counts. */
function world(first: TokenIssuer | Error): {
  readonly outcome: (token: string) => Promise<string>;
  readonly answer: (next: TokenIssuer | Error) => void;
  readonly pass: (ms: number) => void;
  readonly reads: () => number;
} {
  const state = { next: first, atMs: 0, reads: 0 };
  const clock = { nowMs: () => nowMs, monotonicMs: () => state.atMs };
  const cache = new TokenKeyCache({
    clock,
    log: silent,
    read: async () => {
      state.reads += 1;
      if (state.next instanceof Error) throw state.next;
      return state.next;
    },
  });
  const verify = verifyByKeys({ cache, audience, clock });
  return {
    outcome: async (token) => {
      const verdict = await verify(new Secret(token));
      return verdict.t === "refused" ? verdict.code : verdict.t;
    },
    answer: (next) => {
      state.next = next;
    },
    pass: (ms) => {
      state.atMs += ms;
    },
    reads: () => state.reads,
  };
}

const good = madeToken(cluster);
const ofNewKey = madeToken(later, { header: { alg: "ES256", kid: "new" } });
const newKeys = issuerOf(later.jwks.replace('"kid":"ec"', '"kid":"new"'));

describe("verifyByKeys()", () => {
  test("asks for keys once, when the first token needs them", async () => {
    const { outcome, reads } = world(issuerOf(cluster.jwks));
    assert.equal(reads(), 0);
    const outcomes = await Promise.all([outcome(good), outcome(good), outcome(good)]);
    assert.deepEqual(outcomes, ["proven", "proven", "proven"]);
    assert.equal(reads(), 1);
  });

  test("asks again when a token names a new key, but for made-up keys no more than every ten seconds", async () => {
    const { outcome, answer, pass, reads } = world(issuerOf(cluster.jwks));
    assert.equal(await outcome(good), "proven");
    answer(newKeys);
    for (let round = 0; round < 10; round += 1) {
      assert.equal(await outcome(ofNewKey), "MESH_TOKEN_UNTRUSTED");
    }
    assert.equal(reads(), 1);
    pass(10_000);
    assert.equal(await outcome(ofNewKey), "proven");
    assert.equal(reads(), 2);
  });

  test("lets a key that was taken back go after five minutes", async () => {
    const { outcome, answer, pass } = world(issuerOf(cluster.jwks));
    assert.equal(await outcome(good), "proven");
    answer(newKeys);
    pass(299_999);
    assert.equal(await outcome(good), "proven");
    pass(1);
    assert.equal(await outcome(good), "MESH_TOKEN_UNTRUSTED");
  });

  test("keeps the last keys while the issuer is away", async () => {
    const { outcome, answer, pass } = world(issuerOf(cluster.jwks));
    assert.equal(await outcome(good), "proven");
    answer(new Error("connection refused"));
    for (let hour = 0; hour < 3; hour += 1) {
      pass(3_600_000);
      assert.equal(await outcome(good), "proven");
    }
  });

  test("cannot tell while there never were keys, and can as soon as there are", async () => {
    const { outcome, answer, pass } = world(new Error("connection refused"));
    assert.equal(await outcome(good), "unknown");
    answer(issuerOf(cluster.jwks));
    pass(10_000);
    assert.equal(await outcome(good), "proven");
  });

  test("asks nobody about what is no token", async () => {
    const { outcome, reads } = world(issuerOf(cluster.jwks));
    assert.equal(await outcome("garbage"), "MESH_TOKEN_MALFORMED");
    assert.equal(reads(), 0);
  });
});
