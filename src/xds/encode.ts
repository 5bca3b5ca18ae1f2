import { createHash } from "node:crypto";
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type Resource, type ResourceKey, typeUrls } from "./resource.ts";

export interface ResourceContent extends ResourceKey {
  /** The message itself, encoded. */
  readonly value: Uint8Array;
  /**
   * Version of another resource that this one must follow: endpoints mix in their cluster's, because a
   * proxy that rebuilds a cluster waits for its endpoints even when those did not change.
   */
  readonly mixVersion?: string;
}

/** Seals bytes as a resource: content hash and the entry that every response copies. */
export function sealResource(content: ResourceContent): Resource {
  const { type, name, value } = content;
  const version = versionOf(content);
  const any = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .string(typeUrls[type])
    .tag(2, WireType.LengthDelimited)
    .bytes(value)
    .finish();
  // Field numbers of envoy.service.discovery.v3.Resource: 1 version, 2 resource, 3 name.
  const resource = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .string(version)
    .tag(2, WireType.LengthDelimited)
    .bytes(any)
    .tag(3, WireType.LengthDelimited)
    .string(name)
    .finish();
  const entry = new BinaryWriter().tag(2, WireType.LengthDelimited).bytes(resource).finish();
  // The value is a window into the entry: one copy of the bytes lives, however many proxies hold it.
  const valueAt = entry.length - lengthAfterValue(name) - value.length;
  return { type, name, version, value: entry.subarray(valueAt, valueAt + value.length), entry };
}

/** Encodes a message as a resource. Throws RangeError when the message is not of that type. */
export function encodeResource<Desc extends DescMessage>(
  input: ResourceKey & {
    readonly schema: Desc;
    readonly message: MessageShape<Desc>;
    readonly mixVersion?: string;
  },
): Resource {
  const { schema, message, ...key } = input;
  if (typeUrls[key.type] !== `type.googleapis.com/${schema.typeName}`) {
    throw new RangeError(`Cannot encode ${schema.typeName} as a ${key.type} resource`);
  }
  return sealResource({ ...key, value: toBinary(schema, message) });
}

// 96 bits: versions are compared per name, so chance collisions are out of reach, and a thousand of them
// are held for each stream.
const versionBytes = 12;

function versionOf(content: ResourceContent): string {
  const hash = createHash("sha256").update(content.value);
  if (content.mixVersion !== undefined) hash.update(content.mixVersion);
  return hash.digest().toString("base64url", 0, versionBytes);
}

/** Bytes of the name field that closes a Resource: tag, length, text. */
function lengthAfterValue(name: string): number {
  return new BinaryWriter().tag(3, WireType.LengthDelimited).string(name).finish().length;
}
