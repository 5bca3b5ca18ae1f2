import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type Decoded, text } from "./wire-fields.ts";

// Two messages of a few fields, written by hand: proto/isthmus/gateway/v1/gateway.proto.

/** gRPC path of the call by which a gateway tells its agent that it serves, or that it goes. */
export const announcePath = "/isthmus.gateway.v1.GatewayService/Announce";

export interface AnnounceRequest {
  /** `host:port`, as the agent's configuration names it. */
  readonly address: string;
  /** Tells processes behind one address apart. */
  readonly instance: string;
  readonly isDraining: boolean;
  /** How long the answer to a drain may take. */
  readonly waitMs: number;
}

export interface AnnounceResponse {
  /** The agent has that address. */
  readonly isKnown: boolean;
  /** Other members were told that it drains. */
  readonly isPublished: boolean;
  /** Members that have not confirmed in time. */
  readonly missing: readonly string[];
}

// A DNS name with its port, and a node id.
const maxTextBytes = 512;
const maxMembers = 1000;

export function encodeAnnounceRequest(request: AnnounceRequest): Buffer {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(request.address);
  writer.tag(2, WireType.LengthDelimited).string(request.instance);
  writer.tag(3, WireType.Varint).bool(request.isDraining);
  writer.tag(4, WireType.Varint).uint32(request.waitMs);
  return Buffer.from(writer.finish());
}

export function decodeAnnounceRequest(bytes: Uint8Array): Decoded<AnnounceRequest> {
  let [address, instance, isDraining, waitMs] = ["", "", false, 0];
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      const kind = `${field} ${wireType}`;
      if (kind === `1 ${WireType.LengthDelimited}`) address = text(reader, maxTextBytes, "address");
      else if (kind === `2 ${WireType.LengthDelimited}`)
        instance = text(reader, maxTextBytes, "instance");
      else if (kind === `3 ${WireType.Varint}`) isDraining = reader.bool();
      else if (kind === `4 ${WireType.Varint}`) waitMs = reader.uint32();
      else reader.skip(wireType, field);
    }
  } catch {
    return { t: "refused", reason: "it is no announcement" };
  }
  if (address === "" || instance === "") return { t: "refused", reason: "it names nobody" };
  return { t: "ok", value: { address, instance, isDraining, waitMs } };
}

export function encodeAnnounceResponse(response: AnnounceResponse): Buffer {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.Varint).bool(response.isKnown);
  writer.tag(2, WireType.Varint).bool(response.isPublished);
  for (const member of response.missing) writer.tag(3, WireType.LengthDelimited).string(member);
  return Buffer.from(writer.finish());
}

/** Throws RangeError or Error on bytes that are no such message. */
export function decodeAnnounceResponse(bytes: Uint8Array): AnnounceResponse {
  const reader = new BinaryReader(bytes);
  let [isKnown, isPublished] = [false, false];
  const missing: string[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.Varint) isKnown = reader.bool();
    else if (field === 2 && wireType === WireType.Varint) isPublished = reader.bool();
    else if (field === 3 && wireType === WireType.LengthDelimited && missing.length < maxMembers)
      missing.push(text(reader, maxTextBytes, "member"));
    else reader.skip(wireType, field);
  }
  return { isKnown, isPublished, missing };
}
