import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

// Two small messages, written by hand: proto/isthmus/identity/v1/identity.proto.

/** gRPC path of the call by which a launcher asks whether to renew its SVID before its time. */
export const checkPath = "/isthmus.identity.v1.IdentityService/Check";

export interface CheckRequest {
  /** SHA-256 (hex) over the roots that the caller trusts, as bundles are named. */
  readonly bundleDigest: string;
}

export interface CheckResponse {
  readonly mustRenew: boolean;
  /** At a time of the caller's choice in so many milliseconds from now; absent: at once. */
  readonly withinMs?: number;
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

export function encodeCheckResponse({ mustRenew, withinMs = 0 }: CheckResponse): Buffer {
  const writer = new BinaryWriter().tag(1, WireType.Varint).bool(mustRenew);
  if (withinMs > 0) writer.tag(2, WireType.Varint).uint32(Math.round(withinMs));
  return Buffer.from(writer.finish());
}

/** Throws RangeError or Error on bytes that are no such message. */
export function decodeCheckResponse(bytes: Uint8Array): CheckResponse {
  const reader = new BinaryReader(bytes);
  let mustRenew = false;
  let withinMs = 0;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.Varint) mustRenew = reader.bool();
    else if (field === 2 && wireType === WireType.Varint) withinMs = reader.uint32();
    else reader.skip(wireType, field);
  }
  return { mustRenew, withinMs };
}
