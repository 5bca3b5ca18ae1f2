import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { reasonOf } from "../mesh/errors.ts";
import type { Resource } from "./resource.ts";

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
  /** An encoded envoy.config.core.v3.Node. */
  readonly node?: Uint8Array;
}

export type Decoded<T> =
  | { readonly t: "ok"; readonly value: T }
  | { readonly t: "refused"; readonly reason: string };

/** A client beyond these is broken or hostile: a large mesh has some thousand names of 100 bytes. */
const maxNames = 20_000;
const maxNameBytes = 1024;
const maxVersionBytes = 128;
// Envoy's node with its list of extensions takes about 61 kB.
const maxNodeBytes = 256 * 1024;

const maxErrorBytes = 4096;
const maxShortBytes = 256;

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

function nameFrom(reader: BinaryReader, count: number): string {
  if (count >= maxNames) throw new RangeError("too many resource names");
  return text(reader, maxNameBytes, "resource name");
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

/** The message of a google.rpc.Status, cut to what an operator can read. */
function errorText(bytes: Uint8Array): string {
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

function text(reader: BinaryReader, maxBytes: number, what: string): string {
  return utf8.decode(limited(reader.bytes(), maxBytes, what));
}

function limited(bytes: Uint8Array, maxBytes: number, what: string): Uint8Array {
  if (bytes.length > maxBytes) throw new RangeError(`${what} is longer than ${maxBytes} bytes`);
  return bytes;
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
  return Buffer.concat([...response.upserts.map((resource) => resource.entry), tail.finish()]);
}
