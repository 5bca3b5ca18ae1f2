import type { KeyObject } from "node:crypto";
import { createPublicKey, sign } from "node:crypto";
import { curveOf, sha256Hex, spkiOf } from "./keys.ts";

/**
 * A private key that signs and is never seen: a file here, a PKCS#11 token or a cloud's key service
 * elsewhere. That is why it is asynchronous.
 */
export interface Signer {
  /** SHA-256 (hex) of the SubjectPublicKeyInfo. */
  readonly keyId: string;
  readonly publicKey: KeyObject;
  /** ECDSA over SHA-256, DER. */
  readonly sign: (bytes: Uint8Array) => Promise<Buffer>;
}

/** Throws TypeError for a key that is not on P-256. */
export function signerOf(privateKey: KeyObject): Signer {
  const spki = spkiOf(privateKey);
  if (curveOf(spki) !== "P-256") throw new TypeError("A signer's key is on P-256");
  return {
    keyId: sha256Hex(spki),
    publicKey: createPublicKey(privateKey),
    sign: async (bytes) => sign("sha256", bytes, privateKey),
  };
}
