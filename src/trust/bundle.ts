import { createPublicKey, verify } from "node:crypto";
import { MeshError } from "../mesh/errors.ts";
import { fieldOf } from "../mesh/json-map.ts";
import type { Certificate } from "./certificate.ts";
import { parseCertificate } from "./certificate.ts";
import { sha256Hex } from "./keys.ts";
import { keyUsage } from "./oids.ts";
import { fromPem, toPem } from "./pem.ts";

/** The trusted roots. Never empty: an empty bundle would mean that every identity is revoked. */
export interface Bundle {
  readonly roots: readonly Certificate[];
  /** SHA-256 (hex) over the sorted digests of the roots: the same set has the same digest. */
  readonly digest: string;
  readonly pem: string;
}

// Two roots during a rotation, a few more where foreign meshes are federated.
const maxRoots = 16;

/** Throws MESH_TRUST_CHAIN_REFUSED for anything but 1..16 self-signed CA certificates. */
export function bundleOf(roots: readonly Uint8Array[]): Bundle {
  const unique = new Map(roots.map(parseRoot).map((root) => [root.sha256, root]));
  if (unique.size === 0 || unique.size > maxRoots) {
    throw new MeshError(
      "MESH_TRUST_CHAIN_REFUSED",
      `Cannot use bundle of ${unique.size} roots: it needs 1 to ${maxRoots}`,
    );
  }
  const sorted = [...unique.values()].sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1));
  return {
    roots: sorted,
    digest: sha256Hex(...sorted.map((root) => Buffer.from(root.sha256, "hex"))),
    pem: sorted.map((root) => toPem("CERTIFICATE", root.der)).join(""),
  };
}

/** Reads PEM. Throws MESH_TRUST_DER_INVALID or MESH_TRUST_CHAIN_REFUSED. */
export function parseBundle(pem: string): Bundle {
  return bundleOf(fromPem("CERTIFICATE", pem));
}

function parseRoot(bytes: Uint8Array): Certificate {
  const root = parseCertificate(bytes);
  const { basicConstraints, keyUsage: usage } = root.extensions;
  const isCa = basicConstraints?.isCa === true && usage?.bits.has(keyUsage.keyCertSign) === true;
  const isSelfSigned =
    root.subject === root.issuer && verify(root.hash, root.tbs, root.publicKey, root.signature);
  if (isCa && isSelfSigned) return root;
  throw new MeshError(
    "MESH_TRUST_CHAIN_REFUSED",
    `Cannot trust certificate ${root.sha256}: it is not a self-signed CA`,
  );
}

export interface Jwks {
  readonly keys: readonly object[];
  readonly spiffe_sequence: number;
  readonly spiffe_refresh_hint: number;
}

/** The bundle as SPIFFE publishes it. Source: SPIFFE Trust Domain and Bundle, section 4. */
export function jwksOf(
  bundle: Bundle,
  options: { readonly sequence: number; readonly refreshHintSeconds: number },
): Jwks {
  return {
    keys: bundle.roots.map((root) => ({
      ...root.publicKey.export({ format: "jwk" }),
      use: "x509-svid",
      // Exactly one certificate, and no `kid`, for this use.
      x5c: [root.der.toString("base64")],
    })),
    spiffe_sequence: options.sequence,
    spiffe_refresh_hint: options.refreshHintSeconds,
  };
}

export interface ForeignBundle {
  readonly bundle: Bundle;
  readonly sequence: number | undefined;
  readonly refreshHintSeconds: number;
}

const maxJwksBytes = 256 * 1024;
// SPIFFE Trust Domain and Bundle, section 4.1.2: what to assume where no hint is given.
const defaultRefreshHintSeconds = 300;

/**
 * Reads a SPIFFE bundle; keys of an unknown kind or use are skipped, as the specification demands.
 * Throws MESH_TRUST_CHAIN_REFUSED; so it does when nothing is left, because that means "all revoked"
 * and a parse failure must never say so.
 */
export function parseJwks(text: string): ForeignBundle {
  const document = readJson(text);
  const keys = fieldOf(document, "keys");
  if (!Array.isArray(keys)) return refuseJwks("it has no list of keys");
  const roots = keys.flatMap((key: unknown): readonly Buffer[] => {
    if (fieldOf(key, "use") !== "x509-svid") return [];
    const x5c = fieldOf(key, "x5c");
    const first: unknown = Array.isArray(x5c) ? x5c[0] : undefined;
    if (typeof first !== "string") return refuseJwks("an x509-svid key has no certificate");
    const root = Buffer.from(first, "base64");
    return fieldOf(key, "kty") === "EC" ? [checkedKey(key, root)] : [];
  });
  const sequence = fieldOf(document, "spiffe_sequence");
  const hint = fieldOf(document, "spiffe_refresh_hint");
  return {
    bundle: bundleOf(roots),
    sequence: typeof sequence === "number" && Number.isSafeInteger(sequence) ? sequence : undefined,
    refreshHintSeconds: typeof hint === "number" && hint > 0 ? hint : defaultRefreshHintSeconds,
  };
}

/** The key stands twice in each entry; a reader of one must not trust another than a reader of the other. */
function checkedKey(key: unknown, root: Buffer): Buffer {
  const jwk = { kty: "EC", crv: fieldOf(key, "crv"), x: fieldOf(key, "x"), y: fieldOf(key, "y") };
  const certified = parseCertificate(root).publicKey;
  try {
    const stated = createPublicKey({ key: jwk as Record<string, string>, format: "jwk" });
    if (stated.equals(certified)) return root;
  } catch (cause) {
    return refuseJwks("a key is malformed", cause);
  }
  return refuseJwks("a key is not the one in its certificate");
}

function readJson(text: string): unknown {
  if (text.length > maxJwksBytes) return refuseJwks(`it is larger than ${maxJwksBytes} bytes`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    return refuseJwks("it is not JSON", cause);
  }
}

function refuseJwks(truth: string, cause?: unknown): never {
  throw new MeshError("MESH_TRUST_CHAIN_REFUSED", `Cannot use JWKS bundle: ${truth}`, { cause });
}
