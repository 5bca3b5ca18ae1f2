import { verify } from "node:crypto";
import { MeshError } from "../mesh/errors.ts";
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
