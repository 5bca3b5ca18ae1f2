/** What the first bytes of a connection turned out to be. */
export type HelloVerdict =
  | { readonly t: "more" }
  | { readonly t: "hello"; readonly serverName: string | undefined }
  | { readonly t: "refused"; readonly reason: HelloRefusal };

/** `not-tls`: plain HTTP and other noise; `malformed`: TLS records that hold no readable hello. */
export type HelloRefusal = "not-tls" | "malformed" | "too-large";

const more: HelloVerdict = { t: "more" };
const recordHeaderBytes = 5;
const handshakeHeaderBytes = 4;
const handshakeRecord = 22;
const clientHello = 1;
const serverNameExtension = 0;
const hostName = 0;
// RFC 8446 5.1: a record carries at most 2^14 bytes.
const maxRecordBytes = 16_384;
// RFC 1035 2.3.4, in text form.
const maxNameBytes = 253;

/**
 * Reads the SNI out of the bytes a client sent so far; the hello may be split over packets and over
 * TLS records. `maxBytes` bounds the handshake message, record headers apart.
 * Source: RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3.
 */
export function readClientHello(bytes: Uint8Array, maxBytes: number): HelloVerdict {
  if (bytes.length === 0) return more;
  if (bytes[0] !== handshakeRecord) return refused("not-tls");
  if (bytes.length > 1 && bytes[1] !== 3) return refused("not-tls");
  const message = messageIn(bytes, maxBytes);
  if (message instanceof Uint8Array) return serverNameIn(message);
  const isEndless = message.t === "more" && bytes.length >= maxBufferedBytes(maxBytes);
  return isEndless ? refused("too-large") : message;
}

/**
 * The most bytes worth keeping while a hello of `maxBytes` is incomplete. Tiny records would let
 * headers outweigh the message, so they get a fixed allowance and no more.
 */
export function maxBufferedBytes(maxBytes: number): number {
  return maxBytes + handshakeHeaderBytes + 64 * recordHeaderBytes;
}

function refused(reason: HelloRefusal): HelloVerdict {
  return { t: "refused", reason };
}

/** The handshake message without its header, joined from as many records as it takes. */
function messageIn(bytes: Uint8Array, maxBytes: number): Uint8Array | HelloVerdict {
  const parts: Uint8Array[] = [];
  let have = 0;
  let want = handshakeHeaderBytes;
  for (let at = 0; have < want; ) {
    if (bytes.length < at + recordHeaderBytes) return partial(bytes, at);
    const length = u16(bytes, at + 3);
    if (bytes[at] !== handshakeRecord || bytes[at + 1] !== 3) return refused("malformed");
    if (length === 0 || length > maxRecordBytes) return refused("malformed");
    const start = at + recordHeaderBytes;
    const part = bytes.subarray(start, Math.min(start + length, bytes.length));
    parts.push(part);
    have += part.length;
    if (want === handshakeHeaderBytes && have >= handshakeHeaderBytes) {
      const header = parts.length === 1 && parts[0] !== undefined ? parts[0] : joined(parts, have);
      if (header[0] !== clientHello) return refused("malformed");
      const size = ((header[1] ?? 0) << 16) | u16(header, 2);
      if (size > maxBytes) return refused("too-large");
      want += size;
    }
    if (part.length < length && have < want) return more;
    at = start + length;
  }
  const whole = parts.length === 1 && parts[0] !== undefined ? parts[0] : joined(parts, have);
  return whole.subarray(handshakeHeaderBytes, want);
}

/** Fewer bytes than a record header: wait, unless what is there is already wrong. */
function partial(bytes: Uint8Array, at: number): HelloVerdict {
  const isWrong =
    (bytes.length > at && bytes[at] !== handshakeRecord) ||
    (bytes.length > at + 1 && bytes[at + 1] !== 3);
  return isWrong ? refused("malformed") : more;
}

function serverNameIn(hello: Uint8Array): HelloVerdict {
  const random = 34; // legacy_version and random
  const sessionId = skip(hello, random, { lengthBytes: 1, max: 32 });
  const suites = skip(hello, sessionId, { lengthBytes: 2, max: 65_534 });
  const compression = skip(hello, suites, { lengthBytes: 1, max: 255 });
  if (compression === undefined) return refused("malformed");
  if (compression === hello.length) return { t: "hello", serverName: undefined };
  const end = skip(hello, compression, { lengthBytes: 2, max: 65_535 });
  if (end !== hello.length) return refused("malformed");
  let found: HelloVerdict | undefined;
  for (let at = compression + 2; at < end; ) {
    const next = skip(hello, at + 2, { lengthBytes: 2, max: 65_535 });
    if (next === undefined || next > end) return refused("malformed");
    if (u16(hello, at) === serverNameExtension) {
      // RFC 8446 4.2: no extension twice. Two names would let one check see the first and another
      // the second.
      if (found !== undefined) return refused("malformed");
      found = nameIn(hello.subarray(at + 4, next));
      if (found.t === "refused") return found;
    }
    at = next;
  }
  return found ?? { t: "hello", serverName: undefined };
}

/** RFC 6066 3: a list with exactly one host name in practice; anything else is refused. */
function nameIn(extension: Uint8Array): HelloVerdict {
  const isOneName =
    extension.length >= 5 &&
    u16(extension, 0) === extension.length - 2 &&
    extension[2] === hostName &&
    u16(extension, 3) === extension.length - 5;
  const name = extension.subarray(5);
  if (!isOneName || name.length === 0 || name.length > maxNameBytes) return refused("malformed");
  const text = Buffer.from(name).toString("latin1").toLowerCase();
  return /^[\w.-]+$/.test(text) ? { t: "hello", serverName: text } : refused("malformed");
}

/** Where a length-prefixed field that starts at `at` ends, or undefined when it does not fit. */
function skip(
  bytes: Uint8Array,
  at: number | undefined,
  field: { readonly lengthBytes: 1 | 2; readonly max: number },
): number | undefined {
  if (at === undefined || at + field.lengthBytes > bytes.length) return undefined;
  const length = field.lengthBytes === 1 ? (bytes[at] ?? 0) : u16(bytes, at);
  const end = at + field.lengthBytes + length;
  return length > field.max || end > bytes.length ? undefined : end;
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
