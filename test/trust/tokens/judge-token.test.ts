import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import { judgeToken } from "../../../src/trust/tokens/judge-token.ts";
import { mutated, seededRandom } from "../mutations.ts";
import {
  atSeconds,
  audience,
  type Claims,
  ecdsa,
  goodClaims,
  hmac,
  madeIssuer,
  madeToken,
  rsaPkcs1,
} from "./made-token.ts";

const cluster = madeIssuer();
const stranger = madeIssuer();
const { rules } = cluster;
const kubernetes = goodClaims["kubernetes.io"];

async function outcomeOf(token: string): Promise<string> {
  const verdict = await judgeToken(token, rules);
  return verdict.t === "refused" ? verdict.code : verdict.t;
}

const withClaims = (claims: Claims): string =>
  madeToken(cluster, { claims: { ...goodClaims, ...claims } });

const withOwn = (own: Claims): string => withClaims({ "kubernetes.io": { ...kubernetes, ...own } });

function without(claim: string): string {
  const { [claim]: _left, ...claims } = goodClaims;
  return madeToken(cluster, { claims });
}

describe("judgeToken()", () => {
  test("takes a pod's token, and says whom it proves", async () => {
    assert.deepEqual(await judgeToken(madeToken(cluster), rules), {
      t: "proven",
      account: {
        namespace: "shop",
        serviceAccount: "cart",
        serviceAccountUid: kubernetes.serviceaccount.uid,
        pod: kubernetes.pod,
        node: kubernetes.node,
      },
    });
  });

  const taken: Readonly<Record<string, string>> = {
    "signed by RS256": madeToken(cluster, {
      header: { alg: "RS256", kid: "rsa", typ: "JWT" },
      signature: (input) => rsaPkcs1(cluster.rsa, input),
    }),
    "with one audience as a text": withClaims({ aud: audience }),
    "for several audiences, ours among them": withClaims({ aud: ["other", audience] }),
    "that ended within the skew": withClaims({ exp: atSeconds(-29) }),
    "that begins within the skew": withClaims({ nbf: atSeconds(30), iat: atSeconds(30) }),
    "without a node": withOwn({ node: undefined }),
  };
  for (const [what, token] of Object.entries(taken)) {
    test(`takes one ${what}`, async () => assert.equal(await outcomeOf(token), "proven"));
  }

  const wrong: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    MESH_TOKEN_EXPIRED: {
      "whose time ran out": withClaims({ exp: atSeconds(-31) }),
    },
    MESH_TOKEN_EARLY: {
      "that begins later": withClaims({ nbf: atSeconds(31) }),
      "that was issued in the future": withClaims({ iat: atSeconds(31) }),
      "that was issued at the end of time": madeToken(cluster, {
        claims: JSON.stringify(goodClaims).replace(/"iat":\d+/, '"iat":1e999'),
      }),
    },
    MESH_TOKEN_AUDIENCE: {
      "for the API server": withClaims({ aud: ["https://kubernetes.default.svc"] }),
      "for another member's agent": withClaims({ aud: "spiffe://west.acme.mesh/isthmus/agent" }),
      "for nobody": withClaims({ aud: [] }),
      "for a list that is none": withClaims({ aud: { 0: audience } }),
    },
    MESH_TOKEN_UNTRUSTED: {
      "of another issuer": withClaims({ iss: "https://elsewhere" }),
      "of another cluster's key under our key id": madeToken(stranger),
      "of a key id that nobody has": madeToken(cluster, { header: { alg: "ES256", kid: "gone" } }),
      "whose signature belongs to another one": madeToken(cluster, {
        signature: () => ecdsa(cluster.ec, "something else"),
      }),
      "whose key id is a way through the prototype": madeToken(cluster, {
        header: { alg: "ES256", kid: "constructor" },
      }),
      "that has an RSA key verify ECDSA": madeToken(cluster, {
        header: { alg: "ES256", kid: "rsa" },
      }),
      "that has an EC key verify RSA": madeToken(cluster, {
        header: { alg: "RS256", kid: "ec" },
        signature: (input) => rsaPkcs1(cluster.rsa, input),
      }),
      "with an ECDSA signature in DER": madeToken(cluster, {
        signature: (input) => rsaPkcs1(cluster.ec, input),
      }),
      "with r and s of zero": madeToken(cluster, { signature: () => Buffer.alloc(64) }),
    },
    MESH_TOKEN_UNBOUND: {
      "that is bound to no pod": withOwn({ pod: undefined }),
      "bound to a Secret": withOwn({ pod: undefined, secret: { name: "a", uid: "b" } }),
      "whose pod has no uid": withOwn({ pod: { name: "cart-0" } }),
    },
    MESH_TOKEN_MALFORMED: {
      "that is empty": "",
      "that is no token": "not a token",
      "cut in the middle": madeToken(cluster).slice(0, 300),
      "without its signature": madeToken(cluster).replace(/[^.]+$/, ""),
      "with a fourth part": `${madeToken(cluster)}.e30`,
      "of 9,000 bytes": withClaims({ jti: "x".repeat(9000) }),
      "by no algorithm": madeToken(cluster, {
        header: { alg: "none", kid: "ec" },
        signature: () => Buffer.from("x"),
      }),
      "by no algorithm, without a signature": madeToken(cluster, {
        header: { alg: "none", kid: "ec" },
        signature: () => Buffer.alloc(0),
      }),
      "by HMAC with the public key as its secret": madeToken(cluster, {
        header: { alg: "HS256", kid: "rsa" },
        signature: (input) =>
          hmac(
            createPublicKey(cluster.rsa).export({ format: "pem", type: "spki" }).toString(),
            input,
          ),
      }),
      "by an algorithm that is not taken": madeToken(cluster, {
        header: { alg: "PS256", kid: "rsa" },
      }),
      "that brings its own key": madeToken(stranger, {
        header: {
          alg: "ES256",
          kid: "ec",
          jwk: createPublicKey(stranger.ec).export({ format: "jwk" }),
        },
      }),
      "that says where its key is": madeToken(stranger, {
        header: { alg: "ES256", kid: "ec", jku: "https://elsewhere/keys" },
      }),
      "that demands what we do not know": madeToken(cluster, {
        header: { alg: "ES256", kid: "ec", crit: ["exp"] },
      }),
      "whose payload is not encoded": madeToken(cluster, {
        header: { alg: "ES256", kid: "ec", b64: false, crit: ["b64"] },
      }),
      "without a key id": madeToken(cluster, { header: { alg: "ES256" } }),
      "whose key id is a list": madeToken(cluster, { header: { alg: "ES256", kid: ["ec"] } }),
      "whose key id is a path": madeToken(cluster, {
        header: { alg: "ES256", kid: "x".repeat(300) },
      }),
      "whose header is a list": madeToken(cluster, { header: "[]" }),
      "whose header is no JSON": madeToken(cluster, { header: "{" }),
      "whose claims are a list": madeToken(cluster, { claims: "[]" }),
      "whose claims are no JSON": madeToken(cluster, { claims: "{" }),
      "without an end": without("exp"),
      "whose end is a text": withClaims({ exp: "never" }),
      "without a beginning": without("iat"),
      "without an audience": without("aud"),
      "without an issuer": without("iss"),
      "without a subject": without("sub"),
      "without claims of Kubernetes": without("kubernetes.io"),
      "whose namespace is no text": withOwn({ namespace: 7 }),
      "whose subject is another account": withClaims({ sub: "system:serviceaccount:shop:admin" }),
      "of a node": withClaims({ sub: "system:node:node-1" }),
    },
  };
  for (const [code, tokens] of Object.entries(wrong)) {
    for (const [what, token] of Object.entries(tokens)) {
      test(`refuses one ${what}`, async () => assert.equal(await outcomeOf(token), code));
    }
  }

  test("never quotes a token in its reason", async () => {
    for (const token of Object.values(wrong).flatMap((tokens) => Object.values(tokens))) {
      const verdict = await judgeToken(token, rules);
      const parts = token.split(".").filter((part) => part.length > 8);
      const text = JSON.stringify(verdict);
      assert.ok(
        parts.every((part) => !text.includes(part)),
        text,
      );
    }
  });

  test("takes no damaged token", async () => {
    const random = seededRandom(7);
    const original = Buffer.from(madeToken(cluster));
    for (let round = 0; round < Number(process.env["ISTHMUS_FUZZ"] ?? 2000); round += 1) {
      const bytes = mutated(original, random);
      const verdict = await judgeToken(bytes.toString("latin1"), rules);
      const isSame = isSameToken(bytes.toString("latin1"), original.toString("latin1"));
      assert.ok(verdict.t === "refused" || isSame, bytes.toString("latin1"));
    }
  });

  test("takes damaged claims that the issuer signed only for the account that they name", async () => {
    const random = seededRandom(8);
    const original = Buffer.from(JSON.stringify(goodClaims));
    let taken = 0;
    for (let round = 0; round < 2000; round += 1) {
      const claims = mutated(original, random).toString("latin1");
      const verdict = await judgeToken(madeToken(cluster, { claims }), rules);
      if (verdict.t !== "proven") continue;
      taken += 1;
      const { namespace, serviceAccount } = verdict.account;
      assert.ok(claims.includes(`system:serviceaccount:${namespace}:${serviceAccount}`), claims);
    }
    assert.ok(taken > 0, "some damage does no harm, such as another jti");
  });

  test("knows a key of another curve for none of its own", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
    const token = madeToken(cluster, { signature: (input) => ecdsa(privateKey, input) });
    assert.equal(await outcomeOf(token), "MESH_TOKEN_UNTRUSTED");
  });
});

/** The last character of base64url holds bits that nobody reads: two texts may be one signature. */
function isSameToken(one: string, other: string): boolean {
  const [a, b] = [one, other].map((token) => token.split("."));
  if (a?.length !== 3 || b?.length !== 3) return false;
  return a[0] === b[0] && a[1] === b[1] && bytesOf(a[2]).equals(bytesOf(b[2]));
}

function bytesOf(text: string | undefined): Buffer {
  return Buffer.from(text ?? "", "base64url");
}
