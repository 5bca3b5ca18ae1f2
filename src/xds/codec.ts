import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { reasonOf } from "../mesh/errors.ts";
import { joined } from "./joined.ts";
import type { Resource } from "./resource.ts";
import {
  type Decoded,
  errorText,
  limited,
  maxNameBytes,
  maxNames,
  maxNodeBytes,
  maxShortBytes,
  maxVersionBytes,
  nameFrom,
  text,
} from "./wire-fields.ts";

/** What a client says on a delta stream, with the node still undecoded: only the first one counts. */
export interface DeltaRequest {
  readonly typeUrl: string;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** Versions the client kept from an earlier stream, by resource name. */
  readonly initialVersions: ReadonlyMap<string, string>;
  /** Empty unless this acknowledges or refuses a response. */
  readonly nonce: string;
  /** Present: the response of that nonce was refused, even when the text is empty. */
  readonly error?: string;
  /** Which names that refusal means, where whoever read it knows; else they are looked for in `error`. */
  readonly blamed?: readonly string[];
  /** An encoded envoy.config.core.v3.Node. */
  readonly node?: Uint8Array;
}

/** Reads an encoded envoy.service.discovery.v3.DeltaDiscoveryRequest. Never throws, whatever the bytes. */
export function decodeDeltaRequest(bytes: Uint8Array): Decoded<DeltaRequest> {
  try {
    return { t: "ok", value: readDeltaRequest(new BinaryReader(bytes)) };
  } catch (cause) {
    return { t: "refused", reason: reasonOf(cause) };
  }
}

const noVersions: ReadonlyMap<string, string> = new Map();

function readDeltaRequest(reader: BinaryReader): DeltaRequest {
  let typeUrl = "";
  let nonce = "";
  let error: string | undefined;
  let node: Uint8Array | undefined;
  let versions: Map<string, string> | undefined;
  const subscribe: string[] = [];
  const unsubscribe: string[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited) reader.skip(wireType, field);
    else if (field === 1) node = limited(reader.bytes(), maxNodeBytes, "node");
    else if (field === 2) typeUrl = text(reader, maxShortBytes, "type URL");
    else if (field === 3) subscribe.push(nameFrom(reader, subscribe.length));
    else if (field === 4) unsubscribe.push(nameFrom(reader, unsubscribe.length));
    else if (field === 5) readVersion(reader, (versions ??= new Map()));
    else if (field === 6) nonce = text(reader, maxShortBytes, "nonce");
    else if (field === 7) error = errorText(reader.bytes());
    else reader.skip(wireType, field);
  }
  return {
    typeUrl,
    subscribe,
    unsubscribe,
    initialVersions: versions ?? noVersions,
    nonce,
    ...(error === undefined ? {} : { error }),
    ...(node === undefined ? {} : { node }),
  };
}

/** One entry of the map field: key 1, value 2. */
function readVersion(reader: BinaryReader, versions: Map<string, string>): void {
  const entry = new BinaryReader(reader.bytes());
  let name = "";
  let version = "";
  while (entry.pos < entry.len) {
    const [field, wireType] = entry.tag();
    if (wireType !== WireType.LengthDelimited) entry.skip(wireType, field);
    else if (field === 1) name = text(entry, maxNameBytes, "resource name");
    else if (field === 2) version = text(entry, maxVersionBytes, "version");
    else entry.skip(wireType, field);
  }
  if (versions.size >= maxNames) throw new RangeError("too many initial versions");
  versions.set(name, version);
}

export interface DeltaResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly upserts: readonly Resource[];
  readonly removed: readonly string[];
}

/** Joins entries that are encoded already into an envoy.service.discovery.v3.DeltaDiscoveryResponse. */
export function encodeDeltaResponse(response: DeltaResponse): Buffer {
  const tail = new BinaryWriter()
    .tag(4, WireType.LengthDelimited)
    .string(response.typeUrl)
    .tag(5, WireType.LengthDelimited)
    .string(response.nonce);
  for (const name of response.removed) tail.tag(6, WireType.LengthDelimited).string(name);
  return joined([...response.upserts.map((resource) => resource.entry), tail.finish()]);
}
