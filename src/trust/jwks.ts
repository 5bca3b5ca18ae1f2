import { createPublicKey } from "node:crypto";
import { duplicateKeyIn } from "../mesh/duplicate-keys.ts";
import { MeshError } from "../mesh/errors.ts";
import { fieldOf } from "../mesh/json-map.ts";
import { type Bundle, bundleOf } from "./bundle.ts";
import { parseCertificate } from "./certificate.ts";

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

/** What a trust domain says of itself. */
export interface ForeignBundle {
  /** Undefined: it has no roots any more, and none of its identities count. */
  readonly bundle: Bundle | undefined;
  readonly sequence: number | undefined;
  readonly refreshHintSeconds: number;
  /** X.509 roots of kinds that are not understood here, such as RSA. */
  readonly skipped: number;
}

const maxJwksBytes = 256 * 1024;
const maxKeys = 64;
// SPIFFE Trust Domain and Bundle, section 4.1.2: what to assume where no hint is given.
const defaultRefreshHintSeconds = 300;

/**
 * Reads a SPIFFE bundle; keys of an unknown kind or use are skipped, as the specification demands.
 * Throws MESH_TRUST_CHAIN_REFUSED; so it does when it has roots and none of them is understood, because a failure
 * to read must never say that all is revoked.
 */
export function parseJwks(text: string): ForeignBundle {
  const document = readJson(text);
  const keys = fieldOf(document, "keys");
  if (!Array.isArray(keys)) return refuseJwks("it has no list of keys");
  if (keys.length > maxKeys) return refuseJwks(`it has more than ${maxKeys} keys`);
  const ours = keys.filter((key: unknown) => fieldOf(key, "use") === "x509-svid");
  const read = ours.map(rootOf);
  const roots = read.filter((root) => root !== undefined);
  if (roots.length === 0 && keys.length > 0) {
    return refuseJwks("none of its keys is an X.509 root on P-256 or P-384");
  }
  const sequence = fieldOf(document, "spiffe_sequence");
  const hint = fieldOf(document, "spiffe_refresh_hint");
  return {
    bundle: roots.length === 0 ? undefined : bundleOf(roots),
    sequence: typeof sequence === "number" && Number.isSafeInteger(sequence) ? sequence : undefined,
    refreshHintSeconds: typeof hint === "number" && hint > 0 ? hint : defaultRefreshHintSeconds,
    skipped: read.length - roots.length,
  };
}

/** Undefined: its kind is not understood here. */
function rootOf(key: unknown): Buffer | undefined {
  const x5c = fieldOf(key, "x5c");
  const first: unknown = Array.isArray(x5c) ? x5c[0] : undefined;
  if (typeof first !== "string") return refuseJwks("an x509-svid key has no certificate");
  const curve = fieldOf(key, "crv");
  const isKnown = fieldOf(key, "kty") === "EC" && (curve === "P-256" || curve === "P-384");
  return isKnown ? checkedKey(key, Buffer.from(first, "base64")) : undefined;
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
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    return refuseJwks("it is not JSON", cause);
  }
  const twice = duplicateKeyIn(text);
  return twice === undefined ? document : refuseJwks(`it has "${twice.slice(0, 40)}" twice`);
}

function refuseJwks(truth: string, cause?: unknown): never {
  throw new MeshError("MESH_TRUST_CHAIN_REFUSED", `Cannot use JWKS bundle: ${truth}`, { cause });
}
