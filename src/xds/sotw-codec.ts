import { hash } from "node:crypto";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { reasonOf } from "../mesh/errors.ts";
import { joined } from "./joined.ts";
import type { Resource } from "./resource.ts";
import {
  type Decoded,
  errorText,
  limited,
  maxNodeBytes,
  maxShortBytes,
  maxVersionBytes,
  nameFrom,
  text,
} from "./wire-fields.ts";

/** What a client says on a state-of-the-world stream; the node is still undecoded, only the first counts. */
export interface SotwRequest {
  readonly typeUrl: string;
  /** Everything the client wants of the type from now on. */
  readonly names: readonly string[];
  /** Of the last response that it accepted; empty: it has nothing of this type. */
  readonly version: string;
  /** Of the last response that it read; empty before the first one. */
  readonly nonce: string;
  /** Present: the response of that nonce was refused, even when the text is empty. */
  readonly error?: string;
  /** An encoded envoy.config.core.v3.Node. */
  readonly node?: Uint8Array;
}

/** Reads an encoded envoy.service.discovery.v3.DiscoveryRequest. Never throws, whatever the bytes. */
export function decodeSotwRequest(bytes: Uint8Array): Decoded<SotwRequest> {
  try {
    return { t: "ok", value: readSotwRequest(new BinaryReader(bytes)) };
  } catch (cause) {
    return { t: "refused", reason: reasonOf(cause) };
  }
}

function readSotwRequest(reader: BinaryReader): SotwRequest {
  let typeUrl = "";
  let version = "";
  let nonce = "";
  let error: string | undefined;
  let node: Uint8Array | undefined;
  const names: string[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited) reader.skip(wireType, field);
    else if (field === 1) version = text(reader, maxVersionBytes, "version");
    else if (field === 2) node = limited(reader.bytes(), maxNodeBytes, "node");
    else if (field === 3) names.push(nameFrom(reader, names.length));
    else if (field === 4) typeUrl = text(reader, maxShortBytes, "type URL");
    else if (field === 5) nonce = text(reader, maxShortBytes, "nonce");
    else if (field === 6) error = errorText(reader.bytes());
    else reader.skip(wireType, field);
  }
  return {
    typeUrl,
    names,
    version,
    nonce,
    ...(error === undefined ? {} : { error }),
    ...(node === undefined ? {} : { node }),
  };
}

export interface SotwResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly resources: readonly Resource[];
}

/** Joins resources that are encoded already into an envoy.service.discovery.v3.DiscoveryResponse. */
export function encodeSotwResponse(response: SotwResponse): Buffer {
  const { resources } = response;
  const head = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .string(versionOf(resources))
    .finish();
  const tail = new BinaryWriter()
    .tag(4, WireType.LengthDelimited)
    .string(response.typeUrl)
    .tag(5, WireType.LengthDelimited)
    .string(response.nonce)
    .finish();
  return joined([head, ...resources.map(anyFieldOf), tail]);
}

/**
 * The `resources` field of a DiscoveryResponse (tag, length, Any) for a resource: a window into its delta
 * entry. Field 2 of Resource and field 2 of DiscoveryResponse are the same Any, so nothing is encoded twice.
 */
export function anyFieldOf({ entry }: Resource): Uint8Array {
  const reader = new BinaryReader(entry);
  reader.tag();
  reader.uint32();
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [field, wireType] = reader.tag();
    reader.skip(wireType, field);
    if (field === 2) return entry.subarray(start, reader.pos);
  }
  throw new TypeError("a resource holds no Any");
}

/** The version of a response is one of its content; clients only give it back. */
function versionOf(resources: readonly Resource[]): string {
  const versions = resources.map(({ name, version }) => `${name} ${version}\n`).join("");
  return hash("sha256", versions, "base64url").slice(0, 16);
}
