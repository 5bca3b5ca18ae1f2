import { fromBinary, type JsonValue, toJson } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { reasonOf } from "../mesh/errors.ts";
import { BuildVersionSchema } from "./gen/envoy/config/core/v3/base_pb.ts";
import type { Decoded } from "./wire-fields.ts";

/** Of the proxy's build: 1.40 is `{ major: 1, minor: 40 }`. */
export interface BuildVersion {
  readonly major: number;
  readonly minor: number;
}

/** The parts of envoy.config.core.v3.Node that are used. Claims, not facts. */
export interface NodeClaim {
  readonly id: string;
  readonly metadata: JsonValue;
  /** `envoy`, `isthmus`, …; empty when the client does not say. */
  readonly userAgent: string;
  /** Absent when the client does not say. */
  readonly version?: BuildVersion;
  /** Of its locality; empty when the client does not say. */
  readonly zone: string;
}

const maxTextBytes = 1024;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads an encoded Node. Never throws. By hand, because an Envoy lists hundreds of extensions in it and
 * decoding all of them takes a hundred times as long.
 */
export function decodeNode(bytes: Uint8Array): Decoded<NodeClaim> {
  try {
    return { t: "ok", value: readNode(new BinaryReader(bytes)) };
  } catch (cause) {
    return { t: "refused", reason: reasonOf(cause) };
  }
}

function readNode(reader: BinaryReader): NodeClaim {
  let id = "";
  let metadata: JsonValue = {};
  let userAgent = "";
  let zone = "";
  let version: BuildVersion | undefined;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited) reader.skip(wireType, field);
    else if (field === 1) id = shortText(reader.bytes());
    else if (field === 3) metadata = toJson(StructSchema, fromBinary(StructSchema, reader.bytes()));
    else if (field === 4) zone = zoneOf(new BinaryReader(reader.bytes()));
    else if (field === 6) userAgent = shortText(reader.bytes());
    else if (field === 8) version = versionOf(reader.bytes());
    else reader.skip(wireType, field);
  }
  return { id, metadata, userAgent, zone, ...(version === undefined ? {} : { version }) };
}

/** Of an envoy.config.core.v3.Locality. */
function zoneOf(reader: BinaryReader): string {
  let zone = "";
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 2 && wireType === WireType.LengthDelimited) zone = shortText(reader.bytes());
    else reader.skip(wireType, field);
  }
  return zone;
}

function versionOf(bytes: Uint8Array): BuildVersion | undefined {
  const { version } = fromBinary(BuildVersionSchema, bytes);
  return version === undefined
    ? undefined
    : { major: version.majorNumber, minor: version.minorNumber };
}

function shortText(bytes: Uint8Array): string {
  if (bytes.length > maxTextBytes)
    throw new RangeError(`text is longer than ${maxTextBytes} bytes`);
  return utf8.decode(bytes);
}
