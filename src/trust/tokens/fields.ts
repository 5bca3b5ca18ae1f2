/** A field of its own of something that was JSON; undefined when there is none. */
export function fieldOf(value: unknown, name: string): unknown {
  const isObject = typeof value === "object" && value !== null && Object.hasOwn(value, name);
  return isObject ? (value as Record<string, unknown>)[name] : undefined;
}

/** A field that is a text of 1 to `maxLength` characters; undefined when it is anything else. */
export function textField(value: unknown, name: string, maxLength = 253): string | undefined {
  const text = fieldOf(value, name);
  const isText = typeof text === "string" && text.length > 0 && text.length <= maxLength;
  return isText ? text : undefined;
}
