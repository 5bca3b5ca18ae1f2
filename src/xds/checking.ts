import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

// Two messages of one field, written by hand: proto/isthmus/identity/v1/identity.proto.

/** gRPC path of the call by which a launcher asks whether to renew its SVID before its time. */
export const checkPath = "/isthmus.identity.v1.IdentityService/Check";

export interface CheckRequest {
  /** SHA-256 (hex) over the roots that the caller trusts, as bundles are named. */
  readonly bundleDigest: string;
}

export interface CheckResponse {
  readonly mustRenew: boolean;
}

export function encodeCheckRequest({ bundleDigest }: CheckRequest): Buffer {
  return Buffer.from(
    new BinaryWriter().tag(1, WireType.LengthDelimited).string(bundleDigest).finish(),
  );
}

/** Throws RangeError or Error on bytes that are no such message. */
export function decodeCheckRequest(bytes: Uint8Array): CheckRequest {
  const reader = new BinaryReader(bytes);
  let bundleDigest = "";
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.LengthDelimited) bundleDigest = reader.string();
    else reader.skip(wireType, field);
  }
  return { bundleDigest };
}

export function encodeCheckResponse({ mustRenew }: CheckResponse): Buffer {
  return Buffer.from(new BinaryWriter().tag(1, WireType.Varint).bool(mustRenew).finish());
}

/** Throws RangeError or Error on bytes that are no such message. */
export function decodeCheckResponse(bytes: Uint8Array): CheckResponse {
  const reader = new BinaryReader(bytes);
  let mustRenew = false;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.Varint) mustRenew = reader.bool();
    else reader.skip(wireType, field);
  }
  return { mustRenew };
}
