import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { GroupDefinition } from "../../mesh/workload-group.ts";
import { text } from "../wire-fields.ts";
import { definitionBytes, definitionIn } from "./definition.ts";

// Written by hand: proto/isthmus/workload/v1/workload.proto.

/** What an agent answers on a workload's stream. */
export type RegisterResponse =
  | { readonly t: "definition"; readonly definition: GroupDefinition }
  /** Nobody but the missing ones opens new connections to the workload. */
  | { readonly t: "left"; readonly missing: readonly string[] };

const maxNameBytes = 512;
const maxMissing = 1000;

export function encodeRegisterResponse(response: RegisterResponse): Buffer {
  const writer = new BinaryWriter();
  if (response.t === "definition") {
    writer.tag(1, WireType.LengthDelimited).bytes(definitionBytes(response.definition));
  } else {
    writer.tag(2, WireType.LengthDelimited).fork();
    for (const name of response.missing.slice(0, maxMissing)) {
      writer.tag(1, WireType.LengthDelimited).string(name);
    }
    writer.join();
  }
  return Buffer.from(writer.finish());
}

/** Throws on bytes that are no such message. Undefined: an answer of a later version. */
export function decodeRegisterResponse(bytes: Uint8Array): RegisterResponse | undefined {
  let found: RegisterResponse | undefined;
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited) reader.skip(wireType, field);
    else if (field === 1) found = { t: "definition", definition: definitionIn(reader.bytes()) };
    else if (field === 2) found = { t: "left", missing: missingIn(reader.bytes()) };
    else reader.skip(wireType, field);
  }
  return found;
}

function missingIn(bytes: Uint8Array): readonly string[] {
  const missing: string[] = [];
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.LengthDelimited && missing.length < maxMissing) {
      missing.push(text(reader, maxNameBytes, "name"));
    } else reader.skip(wireType, field);
  }
  return missing;
}

export function encodeDescribeRequest({ group }: { readonly group: string }): Buffer {
  return Buffer.from(new BinaryWriter().tag(1, WireType.LengthDelimited).string(group).finish());
}

/** What was not asked in a way that can be read names no group. Never throws. */
export function decodeDescribeRequest(bytes: Uint8Array): { readonly group: string } {
  let group = "";
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === 1 && wireType === WireType.LengthDelimited)
        group = text(reader, maxNameBytes, "group");
      else reader.skip(wireType, field);
    }
  } catch {
    return { group: "?" };
  }
  return { group };
}
