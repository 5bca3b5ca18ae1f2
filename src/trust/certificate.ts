import type { KeyObject } from "node:crypto";
import type { Der } from "./der.ts";
import {
  bytesOf,
  childrenOf,
  contextTag,
  oidOf,
  rawOf,
  rawOid,
  readDer,
  refuseDer,
  tag,
  tagOf,
  timeMsOf,
  wholeBitsOf,
  writeDer,
} from "./der.ts";
import type { Extensions } from "./extensions.ts";
import { readExtensions } from "./extensions.ts";
import { publicKeyOf, sha256Hex } from "./keys.ts";
import { oids } from "./oids.ts";

/** A certificate read strictly. Whether to believe it is `verify.ts`'s question. */
export interface Certificate {
  readonly der: Buffer;
  /** Hex. */
  readonly sha256: string;
  /** The signed part, exactly as it was signed. */
  readonly tbs: Buffer;
  readonly hash: SignatureHash;
  readonly signature: Buffer;
  /** Hex, without leading zeros of the encoding. */
  readonly serial: string;
  /** DER of the name in hex: names are compared, never interpreted. */
  readonly issuer: string;
  readonly subject: string;
  readonly isSubjectEmpty: boolean;
  /** For people. */
  readonly commonName: string | undefined;
  /** Mail addresses inside the subject; name constraints bind them like SANs. */
  readonly subjectEmails: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly publicKey: KeyObject;
  /** Hex. */
  readonly spkiSha256: string;
  readonly spki: Buffer;
  readonly extensions: Extensions;
}

/** ECDSA alone is understood. */
export type SignatureHash = "sha256" | "sha384";

// 8 KiB and 16 levels are far above any SVID and far below what costs time to refuse.
const limits = { maxBytes: 8192, maxDepth: 16 } as const;

/** Throws MESH_TRUST_DER_INVALID. Source: RFC 5280 section 4.1. */
export function parseCertificate(bytes: Uint8Array): Certificate {
  const [tbsNode, algorithm, signature, ...rest] = childrenOf(readDer(bytes, limits), tag.sequence);
  if (rest.length > 0) return refuseDer("a certificate has three parts");
  const tbs = readTbs(tbsNode);
  const hash = hashOf(algorithm);
  if (hash !== tbs.hash) return refuseDer("the two signature algorithms differ");
  // In memory of its own, as the parts are: a proxy's certificate is remembered, and a pool of 64 kB would be with it.
  const der = Buffer.allocUnsafeSlow(bytes.length);
  der.set(bytes);
  return {
    der,
    sha256: sha256Hex(bytes),
    signature: wholeBitsOf(signature),
    ...tbs,
  };
}

/** Reads the part of a certificate that is signed. Throws MESH_TRUST_DER_INVALID. */
export function parseTbs(bytes: Uint8Array): Tbs {
  return readTbs(readDer(bytes, limits));
}

export type Tbs = Omit<Certificate, "der" | "sha256" | "signature">;

function readTbs(node: Der | undefined): Tbs {
  const [version, serial, algorithm, issuer, validity, subject, spkiNode, extensions, ...rest] =
    childrenOf(node, tag.sequence);
  const [number] = childrenOf(version, contextTag(0, "constructed"));
  if (rawOf(number, tag.integer) !== "\x02") return refuseDer("it is not an X.509 v3 certificate");
  // Extensions are a must for us; the two unique ids between them and the key are obsolete.
  const [list, ...more] = childrenOf(extensions, contextTag(3, "constructed"));
  const [notBefore, notAfter, ...extra] = childrenOf(validity, tag.sequence);
  if (rest.length + more.length + extra.length > 0 || node === undefined) {
    return refuseDer("a certificate has extra fields");
  }
  const spki = writeDer(spkiNode ?? refuseDer("the key is missing"));
  const names = readName(subject);
  return {
    tbs: writeDer(node),
    hash: hashOf(algorithm),
    serial: serialOf(serial),
    issuer: readName(issuer).hex,
    subject: names.hex,
    isSubjectEmpty: names.isEmpty,
    commonName: names.commonName,
    subjectEmails: names.emails,
    notBeforeMs: timeMsOf(notBefore),
    notAfterMs: timeMsOf(notAfter),
    publicKey: publicKeyOf(spki),
    spkiSha256: sha256Hex(spki),
    spki,
    extensions: readExtensions(list),
  };
}

// A map, because strangers choose the OIDs: an object would know `constructor` and `__proto__` too.
const hashes: ReadonlyMap<string, SignatureHash> = new Map<string, SignatureHash>([
  [rawOid(oids.ecdsaSha256), "sha256"],
  [rawOid(oids.ecdsaSha384), "sha384"],
]);

/** RFC 5758 section 3.2: ECDSA carries no parameters, not even NULL. */
export function hashOf(algorithm: Der | undefined): SignatureHash {
  const [id, ...parameters] = childrenOf(algorithm, tag.sequence);
  const hash = hashes.get(oidOf(id));
  return hash !== undefined && parameters.length === 0
    ? hash
    : refuseDer("it is not signed with ECDSA over SHA-256 or SHA-384");
}

function serialOf(node: Der | undefined): string {
  const bytes = bytesOf(node, tag.integer);
  const isPositive = bytes.length > 0 && bytes.length <= 20 && (bytes[0] ?? 0xff) < 0x80;
  const isZero = bytes.length === 1 && bytes[0] === 0;
  return isPositive && !isZero ? bytes.toString("hex") : refuseDer("the serial is out of range");
}

interface Name {
  readonly hex: string;
  readonly isEmpty: boolean;
  readonly commonName: string | undefined;
  readonly emails: readonly string[];
}

function readName(node: Der | undefined): Name {
  const relative = childrenOf(node, tag.sequence);
  let commonName: string | undefined;
  const emails: string[] = [];
  for (const set of relative) {
    for (const attribute of childrenOf(set, tag.set)) {
      const [type, value, ...rest] = childrenOf(attribute, tag.sequence);
      if (value === undefined || rest.length > 0) return refuseDer("a name is malformed");
      const id = oidOf(type);
      const content = Buffer.from(rawOf(value, tagOf(value)), "latin1").toString("utf8");
      if (id === commonNameOid) commonName = content;
      if (id === emailOid) emails.push(content);
    }
  }
  const hex = node === undefined ? "" : writeDer(node).toString("hex");
  return { hex, isEmpty: relative.length === 0, commonName, emails };
}

const commonNameOid = rawOid(oids.commonName);
const emailOid = rawOid(oids.emailAddress);
