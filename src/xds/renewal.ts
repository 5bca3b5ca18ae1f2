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
  /** In [0, 1): where in the time of renewals to renew; undefined: anywhere. */
  readonly renewPhase?: number;
}

// On the wire 1..10,000 and 0 for none: a step is less than a second of a day's renewals.
const phaseField = 4;
const phaseSteps = 10_000;

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
  const { renewPhase } = response;
  if (renewPhase !== undefined) {
    writer.tag(phaseField, WireType.Varint).uint32(1 + Math.floor(renewPhase * phaseSteps));
  }
  return Buffer.from(writer.finish());
}

/** Throws RangeError or Error on bytes that are no such message. */
export function decodeRenewResponse(bytes: Uint8Array): RenewResponse {
  const fields = byteFields(bytes);
  const answer = { chain: fields.get(1) ?? [], bundle: fields.get(2) ?? [] };
  const step = lastUint(bytes, phaseField);
  return step >= 1 && step <= phaseSteps
    ? { ...answer, renewPhase: (step - 1) / phaseSteps }
    : answer;
}

/** The last one counts, as everywhere in protobuf; 0 where there is none. */
function lastUint(bytes: Uint8Array, wanted: number): number {
  const reader = new BinaryReader(bytes);
  let found = 0;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === wanted && wireType === WireType.Varint) found = reader.uint32();
    else reader.skip(wireType, field);
  }
  return found;
}

// A chain of 8 and a bundle of 16, and as much again. Two bytes make an empty field: what fits into a message
// would take many times its size.
const maxFields = 64;

/** Fields of length, by number; others are passed over. Throws RangeError or Error on bytes that are no message. */
export function byteFields(bytes: Uint8Array): Map<number, Uint8Array[]> {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, Uint8Array[]>();
  let count = 0;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited) {
      reader.skip(wireType, field);
      continue;
    }
    count += 1;
    if (count > maxFields) throw new RangeError("it has too many fields");
    const value = reader.bytes();
    const found = fields.get(field);
    if (found === undefined) fields.set(field, [value]);
    else found.push(value);
  }
  return fields;
}
