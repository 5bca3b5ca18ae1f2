// The one door to node-forge: it walks and writes DER, nothing else. Its `pki`, `rsa`, `ed25519` and
// `tls` parts stay unused: every key and signature is node:crypto's.
import forge from "node-forge";
import { MeshError } from "../mesh/errors.ts";

const { asn1 } = forge;
type ForgeNode = forge.asn1.Asn1;

/** One element of a DER tree. Values are kept as forge's binary strings. */
export type Der = ForgeNode;

export interface DerLimits {
  readonly maxBytes: number;
  readonly maxDepth: number;
}

/** Universal tags that certificates, CSRs and names are made of. */
export const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8: 0x0c,
  sequence: 0x30,
  set: 0x31,
  printable: 0x13,
  ia5: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
} as const;

/** The first byte of a context-specific element. */
export function contextTag(
  number: number,
  form: "primitive" | "constructed" = "primitive",
): number {
  return 0x80 | (form === "constructed" ? 0x20 : 0) | number;
}

/**
 * Reads one DER element that fills `bytes`. Forge reads BER, so the tree is written again and must
 * give the same bytes: long lengths, indefinite forms and padded integers all differ.
 * Throws MESH_TRUST_DER_INVALID.
 */
export function readDer(bytes: Uint8Array, limits: DerLimits): Der {
  if (bytes.length > limits.maxBytes) {
    return refuseDer(`it has ${bytes.length} bytes, at most ${limits.maxBytes} are read`);
  }
  const text = latin1(bytes);
  let node: ForgeNode;
  let again: string;
  try {
    node = fromDer(text, { decodeBitStrings: false, maxDepth: limits.maxDepth });
    again = asn1.toDer(node).getBytes();
  } catch (cause) {
    return refuseDer("it is not DER", cause);
  }
  return again === text ? node : refuseDer("it is BER, not DER");
}

const fromDer = asn1.fromDer as unknown as (
  bytes: string,
  options: { readonly decodeBitStrings: boolean; readonly maxDepth: number },
) => ForgeNode;

export function refuseDer(truth: string, cause?: unknown): never {
  throw new MeshError("MESH_TRUST_DER_INVALID", `Cannot read DER: ${truth}`, { cause });
}

// Readers. Each throws MESH_TRUST_DER_INVALID when the element is not what it should be.

export function tagOf(node: Der): number {
  return node.tagClass | (node.constructed ? 0x20 : 0) | node.type;
}

export function childrenOf(node: Der | undefined, wanted: number): readonly Der[] {
  if (node === undefined || tagOf(node) !== wanted || typeof node.value === "string") {
    return refuseDer(`element 0x${wanted.toString(16)} is missing`);
  }
  return node.value;
}

/** The raw content of a primitive element, one character per byte. */
export function rawOf(node: Der | undefined, wanted: number): string {
  if (node === undefined || tagOf(node) !== wanted || typeof node.value !== "string") {
    return refuseDer(`element 0x${wanted.toString(16)} is missing`);
  }
  return node.value;
}

export function bytesOf(node: Der | undefined, wanted: number): Buffer {
  return kept(rawOf(node, wanted));
}

/** An OID's content, raw. X.690 8.19.2: each number ends in a byte below 0x80 and starts with no padding. */
export function oidOf(node: Der | undefined): string {
  const raw = rawOf(node, tag.oid);
  return oidShape.test(raw) ? raw : refuseDer("an object identifier is malformed");
}

const oidShape = /^(?:[\x81-\xff][\x80-\xff]*[\0-\x7f]|[\0-\x7f])+$/;

/** DER allows 0xff for true alone, and a DEFAULT FALSE is never written. */
export function trueOf(node: Der | undefined): true {
  return rawOf(node, tag.boolean) === "\xff" ? true : refuseDer("a boolean is not TRUE");
}

/** 0..2^31-1 */
export function smallIntegerOf(node: Der | undefined): number {
  const raw = rawOf(node, tag.integer);
  if (raw.length === 0 || raw.length > 4 || raw.charCodeAt(0) > 0x7f) {
    return refuseDer("an integer is out of range");
  }
  return Buffer.from(raw, "latin1").readUIntBE(0, raw.length);
}

/** The bytes of a BIT STRING that holds whole bytes, as keys and signatures do. */
export function wholeBitsOf(node: Der | undefined): Buffer {
  const raw = rawOf(node, tag.bitString);
  return raw.charCodeAt(0) === 0 ? kept(raw.slice(1)) : refuseDer("a bit string has unused bits");
}

/** Named bits (RFC 5280 KeyUsage): the numbers of those that are set. */
export function namedBitsOf(node: Der | undefined): ReadonlySet<number> {
  const raw = rawOf(node, tag.bitString);
  const unused = raw.charCodeAt(0);
  const bits = new Set<number>();
  for (let bit = 0; bit < (raw.length - 1) * 8; bit += 1) {
    if (((raw.charCodeAt(1 + (bit >> 3)) >> (7 - (bit & 7))) & 1) === 1) bits.add(bit);
  }
  // X.690 11.2.2: trailing zero bits of a named bit list are removed, so the last bit kept is set.
  const isMinimal =
    raw.length > 1 && raw.length <= 3 && bits.has((raw.length - 1) * 8 - unused - 1);
  return isMinimal && unused < 8 ? bits : refuseDer("a named bit list is not in its short form");
}

const utcShape = /^(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;
const generalizedShape = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;

/** RFC 5280 section 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050 on. */
export function timeMsOf(node: Der | undefined): number {
  const isUtc = node !== undefined && tagOf(node) === tag.utcTime;
  const text = rawOf(node, isUtc ? tag.utcTime : tag.generalizedTime);
  const parts = (isUtc ? utcShape : generalizedShape).exec(text)?.slice(1).map(Number);
  if (parts === undefined) return refuseDer("a time is not in its one form");
  const [short = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  const year = isUtc ? short + (short < 50 ? 2000 : 1900) : short;
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  const isReal = timeText(ms, isUtc ? "utc" : "generalized") === text;
  return isReal && (isUtc || year >= 2050) ? ms : refuseDer("a time does not exist");
}

// Builders.

export function der(tagByte: number, content: string | readonly Der[]): Der {
  const isConstructed = (tagByte & 0x20) !== 0;
  const value = typeof content === "string" ? content : [...content];
  return asn1.create(tagByte & 0xc0, tagByte & 0x1f, isConstructed, value);
}

export function sequence(...children: readonly Der[]): Der {
  return der(tag.sequence, children);
}

export function oid(dotted: string): Der {
  return der(tag.oid, rawOid(dotted));
}

/** The content bytes of an OID; readers compare these instead of decoding what strangers sent. */
export function rawOid(dotted: string): string {
  return asn1.oidToDer(dotted).getBytes();
}

export function octets(content: Uint8Array | Der): Der {
  const bytes = content instanceof Uint8Array ? content : writeDer(content);
  return der(tag.octetString, latin1(bytes));
}

export function wholeBits(bytes: Uint8Array): Der {
  return der(tag.bitString, `\0${latin1(bytes)}`);
}

/** KeyUsage: bit numbers below 8. */
export function namedBits(...bits: readonly number[]): Der {
  const octet = bits.reduce((sum, bit) => sum | (0x80 >> bit), 0);
  return der(tag.bitString, String.fromCharCode(7 - Math.max(...bits), octet));
}

export function smallInteger(value: number): Der {
  if (!Number.isInteger(value) || value < 0 || value > 0x7f) throw new RangeError(`${value}`);
  return der(tag.integer, String.fromCharCode(value));
}

/** A positive integer of any length: a zero byte goes before a set top bit. */
export function bigInteger(bytes: Uint8Array): Der {
  const pad = (bytes[0] ?? 0) > 0x7f ? "\0" : "";
  return der(tag.integer, pad + latin1(bytes));
}

export function isTrue(): Der {
  return der(tag.boolean, "\xff");
}

export function time(ms: number): Der {
  const isUtc = ms < Date.UTC(2050, 0, 1);
  return der(
    isUtc ? tag.utcTime : tag.generalizedTime,
    timeText(ms, isUtc ? "utc" : "generalized"),
  );
}

function timeText(ms: number, form: "utc" | "generalized"): string {
  const digits = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "");
  return form === "utc" ? digits.slice(2) : digits;
}

export function text(tagByte: number, value: string): Der {
  return der(tagByte, Buffer.from(value, "utf8").toString("latin1"));
}

export function writeDer(node: Der): Buffer {
  return kept(asn1.toDer(node).getBytes());
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** In memory of its own: a small buffer is a part of a pool of 64 kB, which lives as long as any part of it. */
function kept(raw: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(raw.length);
  bytes.write(raw, "latin1");
  return bytes;
}
