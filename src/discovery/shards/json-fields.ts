/**
 * Readers for hostile JSON. They throw RangeError with the field's name; the parsers above turn that
 * into a refusal. Nothing is copied that was not asked for, so unknown fields are ignored.
 */
export type JsonObject = Readonly<Record<string, unknown>>;

export function objectIn(value: unknown, what: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RangeError(`${what} is not an object`);
  }
  return value as JsonObject;
}

export function textIn(fields: JsonObject, name: string, bound: { readonly max: number }): string {
  const value = own(fields, name);
  if (typeof value !== "string" || value.length > bound.max || hasControl(value)) {
    throw new RangeError(`${name} is not a text of at most ${bound.max} characters`);
  }
  return value;
}

export function optionalTextIn(
  fields: JsonObject,
  name: string,
  bound: { readonly max: number },
): string | undefined {
  return own(fields, name) === undefined ? undefined : textIn(fields, name, bound);
}

export function integerIn(
  fields: JsonObject,
  name: string,
  bounds: { readonly min: number; readonly max: number },
): number {
  const value = own(fields, name);
  const isIn = typeof value === "number" && value >= bounds.min && value <= bounds.max;
  if (!isIn || !Number.isSafeInteger(value)) {
    throw new RangeError(`${name} is not an integer from ${bounds.min} to ${bounds.max}`);
  }
  return value;
}

export function oneOf<const Word extends string>(
  fields: JsonObject,
  name: string,
  words: readonly Word[],
): Word {
  const value = own(fields, name);
  const word = words.find((known) => known === value);
  if (word === undefined) throw new RangeError(`${name} is none of ${words.join(", ")}`);
  return word;
}

/** Each element read by `read`; one that throws refuses the whole list. */
export function listIn<Item>(
  fields: JsonObject,
  name: string,
  options: { readonly max: number; readonly read: (value: unknown) => Item },
): readonly Item[] {
  const value = own(fields, name);
  if (!Array.isArray(value) || value.length > options.max) {
    throw new RangeError(`${name} is not a list of at most ${options.max}`);
  }
  return value.map((item: unknown) => options.read(item));
}

/** A map whose keys are names; read with `Object.entries`, so that `__proto__` is just a key. */
export function mapIn<Item>(
  fields: JsonObject,
  name: string,
  options: {
    readonly max: number;
    readonly read: (value: unknown, key: string) => Item;
  },
): Readonly<Record<string, Item>> {
  const pairs = Object.entries(objectIn(own(fields, name), name));
  if (pairs.length > options.max) throw new RangeError(`${name} has more than ${options.max} keys`);
  return Object.fromEntries(
    pairs.map(([key, value]) => {
      if (key.length > 63 || hasControl(key))
        throw new RangeError(`${name} has a key out of bounds`);
      return [key, options.read(value, key)];
    }),
  );
}

/** Not the prototype's: a field `constructor` must be absent unless it was sent. */
function own(fields: JsonObject, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

/** Control characters would reach terminals and logs through names. */
function hasControl(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}
