import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

// What both dialects of the discovery protocol read in the same way, each with a limit: a client beyond
// these is broken or hostile. A large mesh has some thousand names of 100 bytes.

export type Decoded<T> =
  | { readonly t: "ok"; readonly value: T }
  | { readonly t: "refused"; readonly reason: string };

export const maxNames = 20_000;
export const maxNameBytes = 1024;
export const maxVersionBytes = 128;
// Envoy's node with its list of extensions takes about 61 kB.
export const maxNodeBytes: number = 256 * 1024;
/** Type URLs and nonces. */
export const maxShortBytes: number = 256;

const maxErrorBytes = 4096;

/** The next of `count` resource names. Throws RangeError on too many or too long ones. */
export function nameFrom(reader: BinaryReader, count: number): string {
  if (count >= maxNames) throw new RangeError("too many resource names");
  return text(reader, maxNameBytes, "resource name");
}

/** The message of a google.rpc.Status, cut to what an operator can read. */
export function errorText(bytes: Uint8Array): string {
  const reader = new BinaryReader(bytes);
  let message: Uint8Array = new Uint8Array();
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 2 && wireType === WireType.LengthDelimited) message = reader.bytes();
    else reader.skip(wireType, field);
  }
  // Not fatal: the text quotes whatever the client saw, and a cut may split a character.
  return new TextDecoder().decode(message.subarray(0, maxErrorBytes));
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Throws RangeError when longer, TypeError when not UTF-8. */
export function text(reader: BinaryReader, maxBytes: number, what: string): string {
  return utf8.decode(limited(reader.bytes(), maxBytes, what));
}

export function limited(bytes: Uint8Array, maxBytes: number, what: string): Uint8Array {
  if (bytes.length > maxBytes) throw new RangeError(`${what} is longer than ${maxBytes} bytes`);
  return bytes;
}
