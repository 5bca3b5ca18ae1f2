// A token issuer whose keys a test may misuse, and tokens that say whatever a test wants them to say.
import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { TokenRules } from "../../../src/trust/tokens/judge-token.ts";
import { parseTokenKeys } from "../../../src/trust/tokens/token-keys.ts";
import { nowMs } from "../made.ts";

export const issuer = "https://kubernetes.default.svc.cluster.local";
export const audience = "spiffe://east.acme.mesh/isthmus/agent";

export interface MadeIssuer {
  readonly ec: KeyObject;
  readonly rsa: KeyObject;
  readonly jwks: string;
  readonly rules: TokenRules;
}

export function madeIssuer(): MadeIssuer {
  const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = (key: KeyObject, kid: string, alg: string): object => ({
    ...key.export({ format: "jwk" }),
    kid,
    alg,
    use: "sig",
  });
  const jwks = JSON.stringify({
    keys: [jwk(ec.publicKey, "ec", "ES256"), jwk(rsa.publicKey, "rsa", "RS256")],
  });
  const rules = { keys: parseTokenKeys(jwks), issuer, audience, nowMs };
  return { ec: ec.privateKey, rsa: rsa.privateKey, jwks, rules };
}

const seconds = Math.floor(nowMs / 1000);

interface Named {
  readonly name: string;
  readonly uid: string;
}

export interface GoodClaims extends Claims {
  readonly "kubernetes.io": {
    readonly namespace: string;
    readonly node: Named;
    readonly pod: Named;
    readonly serviceaccount: Named;
  };
}

/** What an API server writes for a pod's projected token. */
export const goodClaims: GoodClaims = {
  aud: [audience],
  exp: seconds + 3600,
  iat: seconds,
  iss: issuer,
  jti: "0a1b2c3d-0000-4000-8000-000000000000",
  "kubernetes.io": {
    namespace: "shop",
    node: { name: "node-1", uid: "11111111-0000-4000-8000-000000000000" },
    pod: { name: "cart-0", uid: "22222222-0000-4000-8000-000000000000" },
    serviceaccount: { name: "cart", uid: "33333333-0000-4000-8000-000000000000" },
  },
  nbf: seconds,
  sub: "system:serviceaccount:shop:cart",
};

export const atSeconds = (offset: number): number => seconds + offset;

export type Claims = Readonly<Record<string, unknown>>;

/** Signed by the EC key under its id, unless told otherwise. */
export function madeToken(
  by: MadeIssuer,
  wish: {
    readonly claims?: Claims | string;
    readonly header?: Claims | string;
    readonly signature?: (input: string) => Buffer;
  } = {},
): string {
  const { header = { alg: "ES256", kid: "ec" }, claims = goodClaims } = wish;
  const input = `${encoded(header)}.${encoded(claims)}`;
  const signature = wish.signature ?? ((text) => ecdsa(by.ec, text));
  return `${input}.${signature(input).toString("base64url")}`;
}

function encoded(part: Claims | string): string {
  const text = typeof part === "string" ? part : JSON.stringify(part);
  return Buffer.from(text).toString("base64url");
}

export function ecdsa(key: KeyObject, input: string): Buffer {
  return sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" });
}

export function rsaPkcs1(key: KeyObject, input: string): Buffer {
  return sign("sha256", Buffer.from(input), key);
}

export function hmac(secret: string | Buffer, input: string): Buffer {
  return createHmac("sha256", secret).update(input).digest();
}
