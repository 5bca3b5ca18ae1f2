import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { MeshError } from "../../mesh/errors.ts";
import { fieldOf } from "../../mesh/json-map.ts";
import { textField } from "./fields.ts";
import type { TokenAlgorithm } from "./token-header.ts";

export interface TokenKey {
  /** The one that this key verifies: a token does not choose. */
  readonly algorithm: TokenAlgorithm;
  readonly key: KeyObject;
}

/** The keys of a token issuer, by key id. Never empty. */
export type TokenKeys = ReadonlyMap<string, TokenKey>;

// API servers publish one key, two or three while they change it.
const maxKeys = 32;
const maxBytes = 64 * 1024;
const minRsaBits = 2048;
const maxRsaBits = 8192;

/**
 * Reads a JWKS (RFC 7517). Keys of other kinds and uses are left out. Throws MESH_TOKEN_KEYS_INVALID; so it
 * does when nothing is left, because a broken answer must not look like "no key counts any more".
 */
export function parseTokenKeys(text: string): TokenKeys {
  if (text.length > maxBytes) return refuse(`it has more than ${maxBytes} bytes`);
  const list = fieldOf(parseJson(text), "keys");
  if (!Array.isArray(list)) return refuse("it has no list of keys");
  if (list.length > maxKeys) return refuse(`it has more than ${maxKeys} keys`);
  const keys = new Map<string, TokenKey>();
  for (const jwk of list as readonly unknown[]) {
    const keyId = textField(jwk, "kid", 256);
    const algorithm = algorithmOf(jwk);
    if (keyId === undefined || algorithm === undefined) continue;
    if (keys.has(keyId)) return refuse("two keys have one id");
    keys.set(keyId, { algorithm, key: readKey(jwk, algorithm) });
  }
  return keys.size > 0 ? keys : refuse("it has no ES256 or RS256 key");
}

function algorithmOf(jwk: unknown): TokenAlgorithm | undefined {
  const use = fieldOf(jwk, "use");
  if (use !== undefined && use !== "sig") return undefined;
  const kind = fieldOf(jwk, "kty");
  const isP256 = kind === "EC" && fieldOf(jwk, "crv") === "P-256";
  const algorithm = isP256 ? "ES256" : kind === "RSA" ? "RS256" : undefined;
  const stated = fieldOf(jwk, "alg");
  return stated === undefined || stated === algorithm ? algorithm : undefined;
}

/** Only the public part is read, whatever else stands there. */
function readKey(jwk: unknown, algorithm: TokenAlgorithm): KeyObject {
  const names = algorithm === "ES256" ? ["kty", "crv", "x", "y"] : ["kty", "n", "e"];
  const publicPart = Object.fromEntries(names.map((name) => [name, fieldOf(jwk, name)]));
  try {
    const key = createPublicKey({ key: publicPart as JsonWebKey, format: "jwk" });
    const bits = key.asymmetricKeyDetails?.modulusLength ?? minRsaBits;
    if (bits >= minRsaBits && bits <= maxRsaBits) return key;
  } catch (cause) {
    return refuse("a key is malformed", cause);
  }
  return refuse(`an RSA key has not ${minRsaBits} to ${maxRsaBits} bits`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    return refuse("it is not JSON", cause);
  }
}

function refuse(truth: string, cause?: unknown): never {
  throw new MeshError("MESH_TOKEN_KEYS_INVALID", `Cannot use token keys: ${truth}`, { cause });
}
