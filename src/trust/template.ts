import type { SpiffeId, TrustDomain } from "../mesh/ids.ts";
import type { Certificate } from "./certificate.ts";
import type { Der } from "./der.ts";
import {
  bigInteger,
  contextTag,
  der,
  isTrue,
  namedBits,
  octets,
  oid,
  readDer,
  sequence,
  smallInteger,
  tag,
  text,
  time,
  wholeBits,
  writeDer,
} from "./der.ts";
import type { GeneralName } from "./general-name.ts";
import { memberConstraints, writeGeneralName, writeNameConstraints } from "./general-name.ts";
import { pointOf, sha256Hex } from "./keys.ts";
import { keyUsage, oids } from "./oids.ts";

/** What a certificate will say, before anyone signs it. Source: RFC 5280 section 4.1. */
export interface Template {
  /** DER of a Name. */
  readonly issuer: Der;
  readonly subject: Der;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly spki: Uint8Array;
  readonly issuerKeyId: string;
  readonly extensions: readonly Der[];
}

const ecdsaSha256 = sequence(oid(oids.ecdsaSha256));
const version3 = der(contextTag(0, "constructed"), [smallInteger(2)]);
/** SVIDs are named by their URI alone. */
export const emptyName: Der = sequence();

export function tbsOf(template: Template): Buffer {
  const { issuer, subject, notBeforeMs, notAfterMs, spki } = template;
  const keyId = octets(Buffer.from(keyIdOf(spki), "hex"));
  const issuerKeyId = Buffer.from(template.issuerKeyId, "hex").toString("latin1");
  const extensions = sequence(
    ...template.extensions,
    extension(oids.subjectKeyId, keyId),
    extension(oids.authorityKeyId, sequence(der(contextTag(0), issuerKeyId))),
  );
  const fields = [
    ecdsaSha256,
    issuer,
    sequence(time(notBeforeMs), time(notAfterMs)),
    subject,
    derOf(spki),
    der(contextTag(3, "constructed"), [extensions]),
  ];
  return writeDer(sequence(version3, bigInteger(serialFor(fields)), ...fields));
}

export function certificateOf(tbs: Uint8Array, signature: Uint8Array): Buffer {
  return writeDer(sequence(derOf(tbs), ecdsaSha256, wholeBits(signature)));
}

/**
 * Certificates that say different things have different serials, without a counter or chance. (Random
 * serials guard against collisions of weak hashes; nothing here signs over one.) 01 at the top keeps
 * length and sign fixed.
 */
function serialFor(fields: readonly Der[]): Buffer {
  const serial = Buffer.from(sha256Hex(writeDer(sequence(...fields))).slice(0, 32), "hex");
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}

/** RFC 7093 section 2, method 1: the leftmost 160 bits of SHA-256 over the point. Hex. */
export function keyIdOf(spki: Uint8Array): string {
  return sha256Hex(pointOf(spki)).slice(0, 40);
}

/** Unique for each key, so that two issuers of one member are never taken for one another. */
export function authorityName(commonName: string, spki: Uint8Array): Der {
  const attribute = (id: string, value: Der): Der => der(tag.set, [sequence(oid(id), value)]);
  return sequence(
    attribute(oids.organization, text(tag.utf8, "Isthmus")),
    attribute(oids.commonName, text(tag.utf8, commonName)),
    attribute(oids.serialNumber, text(tag.printable, keyIdOf(spki).slice(0, 16))),
  );
}

export function subjectOf(certificate: Certificate): Der {
  return derOf(Buffer.from(certificate.subject, "hex"));
}

export function rootExtensions(): readonly Der[] {
  return [
    critical(oids.basicConstraints, sequence(isTrue())),
    critical(oids.keyUsage, namedBits(keyUsage.keyCertSign, keyUsage.crlSign)),
  ];
}

/** Of a root that another one vouches for: below it stands one issuer and no more. */
export function crossExtensions(): readonly Der[] {
  return [
    critical(oids.basicConstraints, sequence(isTrue(), smallInteger(1))),
    critical(oids.keyUsage, namedBits(keyUsage.keyCertSign, keyUsage.crlSign)),
  ];
}

export function issuerExtensions(trustDomain: TrustDomain): readonly Der[] {
  return [
    critical(oids.basicConstraints, sequence(isTrue(), smallInteger(0))),
    critical(oids.keyUsage, namedBits(keyUsage.keyCertSign)),
    critical(oids.nameConstraints, writeNameConstraints(memberConstraints(trustDomain))),
    extension(oids.subjectAltName, alternativeNames([uriOf(`spiffe://${trustDomain}`)])),
  ];
}

export function svidExtensions(id: SpiffeId, dnsNames: readonly string[]): readonly Der[] {
  const names = [uriOf(id), ...dnsNames.map((value): GeneralName => ({ t: "dns", value }))];
  return [...svidBasics, critical(oids.subjectAltName, alternativeNames(names))];
}

const svidBasics = [
  critical(oids.basicConstraints, sequence()),
  critical(oids.keyUsage, namedBits(keyUsage.digitalSignature)),
  extension(oids.extendedKeyUsage, sequence(oid(oids.serverAuth), oid(oids.clientAuth))),
];

/** Of a server that proves itself by DNS names alone, to clients that know nothing of SPIFFE. */
export function servingExtensions(dnsNames: readonly string[]): readonly Der[] {
  const names = dnsNames.map((value): GeneralName => ({ t: "dns", value }));
  return [
    critical(oids.basicConstraints, sequence()),
    critical(oids.keyUsage, namedBits(keyUsage.digitalSignature)),
    extension(oids.extendedKeyUsage, sequence(oid(oids.serverAuth))),
    critical(oids.subjectAltName, alternativeNames(names)),
  ];
}

function uriOf(value: string): GeneralName {
  return { t: "uri", value };
}

function alternativeNames(names: readonly GeneralName[]): Der {
  return sequence(...names.map(writeGeneralName));
}

function critical(id: string, value: Der): Der {
  return sequence(oid(id), isTrue(), octets(value));
}

function extension(id: string, value: Der): Der {
  return sequence(oid(id), octets(value));
}

function derOf(bytes: Uint8Array): Der {
  return readDer(bytes, { maxBytes: 8192, maxDepth: 16 });
}
