import { hash } from "node:crypto";
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { joined } from "./joined.ts";
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

// Its buffer grows to the largest resource and serves all of them: a thousand are sealed in one go.
const writer = new BinaryWriter();

/** Seals bytes as a resource: content hash and the entry that every response copies. */
export function sealResource(content: ResourceContent): Resource {
  const { type, name, value } = content;
  const version = versionOf(content);
  // Field numbers of envoy.service.discovery.v3.Resource: 1 version, 2 resource (an Any), 3 name.
  const entry = writer
    .tag(2, WireType.LengthDelimited)
    .fork()
    .tag(1, WireType.LengthDelimited)
    .string(version)
    .tag(2, WireType.LengthDelimited)
    .fork()
    .tag(1, WireType.LengthDelimited)
    .string(typeUrls[type])
    .tag(2, WireType.LengthDelimited)
    .bytes(value)
    .join()
    .tag(3, WireType.LengthDelimited)
    .string(name)
    .join()
    .finish();
  return { type, name, version, valueBytes: value.length, entry };
}

/**
 * The same resources in one piece of memory: what is built together is mostly replaced together, and each
 * piece costs some 300 bytes besides its content.
 */
export function packed(resources: readonly Resource[]): readonly Resource[] {
  if (resources.length < 2) return resources;
  const memory = joined(resources.map(({ entry }) => entry));
  let at = 0;
  return resources.map((resource) => {
    const { buffer, byteOffset } = memory;
    const entry = new Uint8Array(buffer, byteOffset + at, resource.entry.length);
    at += entry.length;
    return { ...resource, entry };
  });
}

/** The message of a resource, as it stands inside `Any.value`: a window into the entry. */
export function valueOf({ name, valueBytes, entry }: Resource): Uint8Array {
  const end = entry.length - lengthAfterValue(name);
  return entry.subarray(end - valueBytes, end);
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

function versionOf({ value, mixVersion }: ResourceContent): string {
  const content =
    mixVersion === undefined ? value : Buffer.concat([value, Buffer.from(mixVersion)]);
  // Cut before it becomes text: a part of a longer string keeps all of it alive.
  return hash("sha256", content, "buffer").toString("base64url", 0, versionBytes);
}

/** Bytes of the name field that closes a Resource: tag, length, text. */
function lengthAfterValue(name: string): number {
  return writer.tag(3, WireType.LengthDelimited).string(name).finish().length;
}
