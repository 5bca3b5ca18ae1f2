/** A map of a foreign JSON document. */
export type JsonMap = Readonly<Record<string, unknown>>;

export function asMap(value: unknown): JsonMap | undefined {
  const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
  return isMap ? (value as JsonMap) : undefined;
}

// Own keys only: "__proto__" and the like are keys that a document may well have.
function valueIn(map: JsonMap, key: string): unknown {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

/** Undefined where there is no map. */
export function mapIn(map: JsonMap, key: string): JsonMap | undefined {
  return asMap(valueIn(map, key));
}

/** The maps of a list; empty where there is no list. */
export function mapsIn(map: JsonMap, key: string): readonly JsonMap[] {
  return (listIn(map, key) ?? []).map(asMap).filter((item) => item !== undefined);
}

export function listIn(map: JsonMap, key: string): readonly unknown[] | undefined {
  const value = valueIn(map, key);
  return Array.isArray(value) ? value : undefined;
}

export function textIn(map: JsonMap, key: string): string | undefined {
  const value = valueIn(map, key);
  return typeof value === "string" ? value : undefined;
}

export function numberIn(map: JsonMap, key: string): number | undefined {
  const value = valueIn(map, key);
  return typeof value === "number" ? value : undefined;
}
