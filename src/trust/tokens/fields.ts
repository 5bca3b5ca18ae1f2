import { fieldOf } from "../../mesh/json-map.ts";

/** A field that is a text of 1 to `maxLength` characters; undefined when it is anything else. */
export function textField(value: unknown, name: string, maxLength = 253): string | undefined {
  const text = fieldOf(value, name);
  const isText = typeof text === "string" && text.length > 0 && text.length <= maxLength;
  return isText ? text : undefined;
}
