import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Secret } from "../../../src/mesh/secret.ts";
import type { ProvenAccount, TokenVerdict } from "../../../src/mesh/token.ts";
import { rememberVerdicts, verifyInTurn } from "../../../src/trust/tokens/verify-in-turn.ts";

const account: ProvenAccount = {
  namespace: "shop",
  serviceAccount: "cart",
  serviceAccountUid: "sa-1",
  pod: { name: "cart-0", uid: "pod-1" },
};
const proven: TokenVerdict = { t: "proven", account };
const refused: TokenVerdict = { t: "refused", code: "MESH_TOKEN_UNTRUSTED", reason: "no" };
const unknown: TokenVerdict = { t: "unknown", reason: "away" };
const token = new Secret("token");

async function inTurn(keys: TokenVerdict, review: TokenVerdict): Promise<string> {
  const verdict = await verifyInTurn({
    byKeys: async () => keys,
    byReview: async () => review,
  })(token);
  return verdict.t === "refused" ? verdict.code : verdict.t;
}

describe("verifyInTurn()", () => {
  test("takes what both take", async () => assert.equal(await inTurn(proven, proven), "proven"));
  test("refuses a sound token whose pod is gone", async () => {
    assert.equal(await inTurn(proven, refused), "MESH_TOKEN_UNBOUND");
  });
  test("takes a sound token while the API server is away", async () => {
    assert.equal(await inTurn(proven, unknown), "proven");
  });
  test("takes the API server's word while there are no keys", async () => {
    assert.equal(await inTurn(unknown, proven), "proven");
    assert.equal(await inTurn(unknown, refused), "MESH_TOKEN_UNTRUSTED");
  });
  test("knows nothing when nobody answers", async () => {
    assert.equal(await inTurn(unknown, unknown), "unknown");
  });
  test("does not ask the API server about garbage", async () => {
    const verify = verifyInTurn({
      byKeys: async () => refused,
      byReview: () => assert.fail("asked"),
    });
    assert.deepEqual(await verify(token), refused);
  });

  const others: Readonly<Record<string, ProvenAccount>> = {
    "another pod": { ...account, pod: { name: "cart-1", uid: "pod-2" } },
    "a later pod of that name": { ...account, pod: { name: "cart-0", uid: "pod-2" } },
    "another account": { ...account, serviceAccount: "admin" },
    "a later account of that name": { ...account, serviceAccountUid: "sa-2" },
  };
  for (const [what, other] of Object.entries(others)) {
    test(`refuses when the API server means ${what}`, async () => {
      assert.equal(await inTurn(proven, { t: "proven", account: other }), "MESH_TOKEN_UNTRUSTED");
    });
  }
});

describe("rememberVerdicts()", () => {
  function remembered(verdict: TokenVerdict): {
    readonly ask: (text?: string) => Promise<TokenVerdict>;
    readonly asked: () => number;
    readonly pass: (ms: number) => void;
  } {
    const state = { asked: 0, atMs: 0 };
    const verify = rememberVerdicts(
      async () => {
        state.asked += 1;
        return verdict;
      },
      { nowMs: () => state.atMs, monotonicMs: () => state.atMs },
    );
    return {
      ask: (text = "token") => verify(new Secret(text)),
      asked: () => state.asked,
      pass: (ms) => {
        state.atMs += ms;
      },
    };
  }

  for (const verdict of [proven, refused]) {
    test(`asks once in ten seconds for what is ${verdict.t}`, async () => {
      const { ask, asked, pass } = remembered(verdict);
      assert.deepEqual([await ask(), await ask()], [verdict, verdict]);
      assert.equal(asked(), 1);
      pass(10_000);
      await ask();
      assert.equal(asked(), 2);
    });
  }

  test("asks again for what nobody could tell", async () => {
    const { ask, asked } = remembered(unknown);
    await ask();
    await ask();
    assert.equal(asked(), 2);
  });

  test("takes one token for no other", async () => {
    const { ask, asked } = remembered(proven);
    await ask("one");
    await ask("two");
    assert.equal(asked(), 2);
  });
});
