import type { DescField, DescMessage, Message, MessageShape } from "@bufbuild/protobuf";
import { fromBinary } from "@bufbuild/protobuf";
import type { ReflectMessage } from "@bufbuild/protobuf/reflect";
import { reflect } from "@bufbuild/protobuf/reflect";
import type { Any } from "@bufbuild/protobuf/wkt";
import { AnySchema, anyUnpack } from "@bufbuild/protobuf/wkt";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import { extensions, knownFields } from "./fields.ts";

/** Well-known types carry no settings of their own. */
const leafPrefix = "google.protobuf.";

/**
 * Decodes one resource and refuses it when any field is set that this engine neither uses nor knows
 * to be without effect. Throws MESH_XDS_UNSUPPORTED naming the field, MESH_XDS_RESOURCE_INVALID for
 * bytes that are no such message.
 */
export function decodeSupported<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
): MessageShape<Desc> {
  let message: MessageShape<Desc>;
  try {
    message = fromBinary(schema, bytes);
  } catch (cause) {
    throw new MeshError(
      "MESH_XDS_RESOURCE_INVALID",
      `Cannot decode ${schema.name}: ${reasonOf(cause)}`,
      { cause },
    );
  }
  requireSupported(reflect(schema, message), "");
  return message;
}

/** What the walk below found inside, so that it is decoded once. */
const unpacked = new WeakMap<Any, Message>();

/** The message inside an `Any` of a type in `extensions`; the caller's walk has proven that it is. */
export function unpackExtension(any: Any | undefined, path: string): Message {
  const message = any === undefined ? undefined : (unpacked.get(any) ?? anyUnpack(any, extensions));
  if (message === undefined)
    unsupported(path, `has type "${any?.typeUrl ?? ""}", which is not known here`);
  return message;
}

export function unsupported(path: string, truth: string): never {
  throw new MeshError("MESH_XDS_UNSUPPORTED", `Cannot apply field ${path}: it ${truth}`);
}

function requireSupported(message: ReflectMessage, path: string): void {
  const rule = knownFields.get(message.desc.typeName);
  if (rule === undefined)
    unsupported(path, `is a ${message.desc.typeName}, which this engine does not have`);
  const [unknown] = message.message.$unknown ?? [];
  if (unknown !== undefined) {
    unsupported(`${path === "" ? "" : `${path}.`}#${unknown.no}`, "is newer than this engine");
  }
  for (const field of message.fields) {
    if (!message.isSet(field) || rule.ignored.has(field.localName)) continue;
    const inner = path === "" ? field.localName : `${path}.${field.localName}`;
    if (!rule.used.has(field.localName))
      unsupported(inner, "is not supported by the embedded engine");
    for (const [at, value] of messagesIn(message, field)) requireMessage(value, `${inner}${at}`);
  }
}

function requireMessage(message: ReflectMessage, path: string): void {
  if (message.desc.typeName === AnySchema.typeName)
    return requireExtension(message.message as Any, path);
  if (!message.desc.typeName.startsWith(leafPrefix)) requireSupported(message, path);
}

function requireExtension(any: Any, path: string): void {
  const name = any.typeUrl.slice(any.typeUrl.lastIndexOf("/") + 1);
  const schema = extensions.getMessage(name);
  if (schema === undefined) unsupported(path, `is a ${name}, which this engine does not have`);
  try {
    const message = fromBinary(schema, any.value);
    requireSupported(reflect(schema, message), path);
    unpacked.set(any, message);
  } catch (cause) {
    if (cause instanceof MeshError) throw cause;
    throw new MeshError(
      "MESH_XDS_RESOURCE_INVALID",
      `Cannot decode field ${path}: ${reasonOf(cause)}`,
      { cause },
    );
  }
}

function messagesIn(
  message: ReflectMessage,
  field: DescField,
): [at: string, value: ReflectMessage][] {
  if (field.fieldKind === "message") return [["", message.get(field)]];
  if (field.fieldKind === "list" && field.listKind === "message") {
    return [...message.get(field)].map((item, index) => [`[${index}]`, item as ReflectMessage]);
  }
  if (field.fieldKind === "map" && field.mapKind === "message") {
    return [...message.get(field)].map(([key, item]) => [
      `["${String(key)}"]`,
      item as ReflectMessage,
    ]);
  }
  return [];
}
