import type { DescMessage, Message, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";

const wholes = new WeakMap<object, Message>();

/**
 * A part that a thousand messages have in common, encoded once: whoever contains it copies its bytes.
 * It has no fields to look at: a message can carry bytes as they are only in the place for fields that
 * its schema does not know. `wholeOf` has the fields. Not to be changed.
 */
export function shared<Desc extends DescMessage>(
  schema: Desc,
  init: MessageInitShape<Desc>,
): MessageShape<Desc> {
  const whole = create(schema, init);
  const part = create(schema);
  const { $unknown = [] } = fromBinary(EmptySchema, toBinary(schema, whole));
  part.$unknown = $unknown;
  wholes.set(part, whole);
  return part;
}

/** What a shared part says; anything else is what it is. */
export function wholeOf(value: unknown): unknown {
  return typeof value === "object" && value !== null ? (wholes.get(value) ?? value) : value;
}

/** Whether it is the same object that others contain too, so that one look at it is enough. */
export function isShared(value: object): boolean {
  return wholes.has(value);
}
