import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

// Messages of a few fields, written by hand: proto/isthmus/identity/v1/identity.proto.

/** gRPC path of the call by which a proxy renews its SVID. */
export const renewPath = "/isthmus.identity.v1.IdentityService/Renew";

export interface RenewRequest {
  /** PKCS#10, DER. */
  readonly csr: Uint8Array;
}

export interface RenewResponse {
  /** Leaf first, DER. */
  readonly chain: readonly Uint8Array[];
  /** Trusted roots, DER. */
  readonly bundle: readonly Uint8Array[];
}

export function encodeRenewRequest(request: RenewRequest): Buffer {
  return Buffer.from(
    new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(request.csr).finish(),
  );
}

/** Throws RangeError or Error on bytes that are no such message. */
export function decodeRenewRequest(bytes: Uint8Array): RenewRequest {
  return { csr: byteFields(bytes).get(1)?.at(-1) ?? new Uint8Array() };
}

export function encodeRenewResponse(response: RenewResponse): Buffer {
  const writer = new BinaryWriter();
  for (const der of response.chain) writer.tag(1, WireType.LengthDelimited).bytes(der);
  for (const der of response.bundle) writer.tag(2, WireType.LengthDelimited).bytes(der);
  return Buffer.from(writer.finish());
}

/** Throws RangeError or Error on bytes that are no such message. */
export function decodeRenewResponse(bytes: Uint8Array): RenewResponse {
  const fields = byteFields(bytes);
  return { chain: fields.get(1) ?? [], bundle: fields.get(2) ?? [] };
}

/** Fields of length, by number; others are passed over. Throws RangeError or Error on bytes that are no message. */
export function byteFields(bytes: Uint8Array): Map<number, Uint8Array[]> {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, Uint8Array[]>();
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited) reader.skip(wireType, field);
    else fields.set(field, [...(fields.get(field) ?? []), reader.bytes()]);
  }
  return fields;
}
