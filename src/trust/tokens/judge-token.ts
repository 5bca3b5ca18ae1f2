import { errors, type JWTPayload, jwtVerify } from "jose";
import type { TokenVerdict } from "../../mesh/token.ts";
import { type Refused, refused } from "./refusal.ts";
import { accountOf } from "./service-account.ts";
import { readTokenHeader } from "./token-header.ts";
import type { TokenKeys } from "./token-keys.ts";

/** Against what a token is judged. */
export interface TokenRules {
  readonly keys: TokenKeys;
  /** `iss`, exactly. */
  readonly issuer: string;
  /** One of its `aud`: who accepts a token for somebody else lets that one take any identity. */
  readonly audience: string;
  readonly nowMs: number;
}

// Clocks of one cluster differ by less; each second more is one that a stolen token lives on.
const skewSeconds = 30;

/** Judges a projected service-account token without asking anybody. Never rejects. */
export async function judgeToken(token: string, rules: TokenRules): Promise<TokenVerdict> {
  const read = readTokenHeader(token);
  if (read.t === "refused") return read;
  const { algorithm, keyId } = read.header;
  const found = rules.keys.get(keyId);
  if (found === undefined) return untrusted("no key of the issuer has its key id");
  if (found.algorithm !== algorithm) return untrusted("its key signs by another algorithm");
  try {
    const { payload } = await jwtVerify(token, found.key, {
      algorithms: [algorithm],
      issuer: rules.issuer,
      audience: rules.audience,
      clockTolerance: skewSeconds,
      currentDate: new Date(rules.nowMs),
      requiredClaims: ["exp", "iat", "sub"],
    });
    return judgeClaims(payload, rules.nowMs);
  } catch (thrown) {
    return refusalOf(thrown);
  }
}

function judgeClaims(payload: JWTPayload, nowMs: number): TokenVerdict {
  const { iat = Number.POSITIVE_INFINITY } = payload;
  if (iat * 1000 > nowMs + skewSeconds * 1000) {
    return refused("MESH_TOKEN_EARLY", "it was issued in the future: compare the clocks");
  }
  const read = accountOf(payload);
  return read.t === "ok" ? { t: "proven", account: read.account } : read;
}

function refusalOf(thrown: unknown): Refused {
  if (thrown instanceof errors.JWTExpired) {
    return refused("MESH_TOKEN_EXPIRED", "its time has run out");
  }
  if (thrown instanceof errors.JWSSignatureVerificationFailed) {
    return untrusted("its signature is wrong");
  }
  if (!(thrown instanceof errors.JWTClaimValidationFailed)) {
    return refused("MESH_TOKEN_MALFORMED", "it is not a signed JSON object");
  }
  switch (thrown.reason === "check_failed" ? thrown.claim : "missing") {
    case "aud":
      return refused("MESH_TOKEN_AUDIENCE", "it is meant for somebody else");
    case "iss":
      return untrusted("another issuer made it");
    case "nbf":
      return refused("MESH_TOKEN_EARLY", "it is not valid yet: compare the clocks");
    default:
      return refused(
        "MESH_TOKEN_MALFORMED",
        `its claim "${thrown.claim}" is missing or no such claim`,
      );
  }
}

function untrusted(truth: string): Refused {
  return refused("MESH_TOKEN_UNTRUSTED", truth);
}
