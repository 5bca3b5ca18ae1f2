import type { DescMessage, Message, MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";

const contents = new WeakMap<Any, Message>();

/** A message packed as `Any` and remembered, so that a check need not unpack it. Not to be changed. */
export function pack<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Any {
  const message = create(schema, init);
  const any = anyPack(schema, message);
  contents.set(any, message);
  return any;
}

/** Undefined: packed by somebody else. */
export function packedIn(any: Any): Message | undefined {
  return contents.get(any);
}
