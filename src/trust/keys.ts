import type { KeyObject } from "node:crypto";
import { createHash, createPrivateKey, createPublicKey } from "node:crypto";
import { MeshError } from "../mesh/errors.ts";
import { Secret } from "../mesh/secret.ts";
import { fromPem } from "./pem.ts";

/** SubjectPublicKeyInfo of an uncompressed P-256 point by curve name (RFC 5480): 26 fixed bytes, then 04 || X || Y. */
const p256Header = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex");
const p384Header = Buffer.from("3076301006072a8648ce3d020106052b81040022036200", "hex");

/** The curves that a certificate may carry. Workloads get P-256 only. */
export type Curve = "P-256" | "P-384";

/**
 * The curve of a key in its one canonical form, or undefined. OpenSSL takes explicit curve
 * parameters for the named curve they imitate; a fixed header leaves no second form of any key.
 */
export function curveOf(spki: Uint8Array): Curve | undefined {
  if (hasHeader(spki, p256Header, 64)) return "P-256";
  if (hasHeader(spki, p384Header, 96)) return "P-384";
  return undefined;
}

function hasHeader(spki: Uint8Array, header: Buffer, pointBytes: number): boolean {
  const isSize = spki.length === header.length + 1 + pointBytes;
  return isSize && header.equals(spki.subarray(0, header.length)) && spki[header.length] === 4;
}

/** Throws MESH_TRUST_DER_INVALID when the point is not on its curve. */
export function publicKeyOf(spki: Uint8Array): KeyObject {
  if (curveOf(spki) === undefined) return refuseKey("it is not a canonical P-256 or P-384 key");
  try {
    return createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  } catch (cause) {
    return refuseKey("its point is not on the curve", cause);
  }
}

function refuseKey(truth: string, cause?: unknown): never {
  throw new MeshError("MESH_TRUST_DER_INVALID", `Cannot use public key: ${truth}`, { cause });
}

export function spkiOf(key: KeyObject): Buffer {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return publicKey.export({ format: "der", type: "spki" });
}

/** The point itself, as the subject key identifier hashes it: without algorithm and header. */
export function pointOf(spki: Uint8Array): Uint8Array {
  return spki.subarray(curveOf(spki) === "P-384" ? p384Header.length : p256Header.length);
}

/** Lower-case hex. */
export function sha256Hex(...parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

/** PKCS#8, unencrypted. */
export function privateKeyPemOf(key: KeyObject): Secret {
  return new Secret(key.export({ format: "pem", type: "pkcs8" }).toString());
}

/** Throws MESH_TRUST_DER_INVALID; the message never holds any of the text. */
export function readPrivateKey(pem: Secret): KeyObject {
  const [pkcs8, ...more] = fromPem("PRIVATE KEY", pem.reveal());
  try {
    if (pkcs8 === undefined || more.length > 0) throw new RangeError("not one block");
    const key = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
    if (curveOf(spkiOf(key)) !== undefined) return key;
  } catch {
    // The cause may quote key material.
  }
  throw new MeshError(
    "MESH_TRUST_DER_INVALID",
    "Cannot read private key: it is not one unencrypted PKCS#8 key on P-256 or P-384",
  );
}
