import type { KeyObject } from "node:crypto";
import { sign, verify } from "node:crypto";
import { MeshError, reasonOf } from "../mesh/errors.ts";
import { hashOf } from "./certificate.ts";
import {
  childrenOf,
  contextTag,
  der,
  oid,
  rawOf,
  readDer,
  sequence,
  smallInteger,
  tag,
  wholeBits,
  wholeBitsOf,
  writeDer,
} from "./der.ts";
import { curveOf, publicKeyOf, sha256Hex, spkiOf } from "./keys.ts";
import { oids } from "./oids.ts";

/** What a CSR proves: its sender holds the private key. Names and extensions in it prove nothing. */
export interface ProvenKey {
  /** Canonical P-256 SubjectPublicKeyInfo. */
  readonly spki: Buffer;
  /** Hex. */
  readonly spkiSha256: string;
}

const limits = { maxBytes: 8192, maxDepth: 16 } as const;

/** A CSR (PKCS#10, RFC 2986) that states nothing but the key. */
export function createCsr(privateKey: KeyObject): Buffer {
  const noAttributes = der(contextTag(0, "constructed"), []);
  const key = readDer(spkiOf(privateKey), limits);
  const info = sequence(smallInteger(0), sequence(), key, noAttributes);
  const signature = sign("sha256", writeDer(info), privateKey);
  return writeDer(sequence(info, sequence(oid(oids.ecdsaSha256)), wholeBits(signature)));
}

/**
 * Reads a CSR strictly and checks its signature. Only ECDSA on P-256 over SHA-256 is taken: every
 * launcher of ours makes that, and each further kind of key is a kind to get wrong. Subject, wanted
 * names and attributes are left unread, because the issuer knows by itself whom it serves.
 * Throws MESH_TRUST_CSR_REFUSED.
 */
export function parseCsr(bytes: Uint8Array): ProvenKey {
  try {
    return readCsr(bytes);
  } catch (cause) {
    if (!(cause instanceof MeshError)) throw cause;
    throw new MeshError("MESH_TRUST_CSR_REFUSED", `Cannot accept CSR: ${reasonOf(cause)}`, {
      cause,
    });
  }
}

function readCsr(bytes: Uint8Array): ProvenKey {
  const [info, algorithm, signature, ...rest] = childrenOf(readDer(bytes, limits), tag.sequence);
  const [version, subject, spkiNode, attributes, ...more] = childrenOf(info, tag.sequence);
  if (info === undefined || spkiNode === undefined) return refuse("it is incomplete");
  if (rest.length + more.length > 0) return refuse("it has extra fields");
  if (rawOf(version, tag.integer) !== "\0") return refuse("its version is not 1");
  childrenOf(subject, tag.sequence);
  childrenOf(attributes, contextTag(0, "constructed"));
  const spki = writeDer(spkiNode);
  if (curveOf(spki) !== "P-256") return refuse("its key is not a canonical P-256 key");
  if (hashOf(algorithm) !== "sha256") return refuse("it is not signed over SHA-256");
  const isProven = verify("sha256", writeDer(info), publicKeyOf(spki), wholeBitsOf(signature));
  return isProven ? { spki, spkiSha256: sha256Hex(spki) } : refuse("its signature is wrong");
}

function refuse(truth: string): never {
  throw new MeshError("MESH_TRUST_CSR_REFUSED", truth);
}
