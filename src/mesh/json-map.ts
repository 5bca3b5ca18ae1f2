/** A map of a foreign JSON or YAML document. */
export type JsonMap = Readonly<Record<string, unknown>>;

export function isMap(value: unknown): value is JsonMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function asMap(value: unknown): JsonMap | undefined {
  return isMap(value) ? value : undefined;
}

/** Undefined where there is no map, or no such field of its own: a document may well have `__proto__`. */
export function fieldOf(value: unknown, key: string): unknown {
  return isMap(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

/** Undefined where there is no map. */
export function mapIn(map: JsonMap, key: string): JsonMap | undefined {
  return asMap(fieldOf(map, key));
}

/** The maps of a list; empty where there is no list. */
export function mapsIn(map: JsonMap, key: string): readonly JsonMap[] {
  return (listIn(map, key) ?? []).filter(isMap);
}

export function listIn(map: JsonMap, key: string): readonly unknown[] | undefined {
  const value = fieldOf(map, key);
  return Array.isArray(value) ? value : undefined;
}

export function textIn(map: JsonMap, key: string): string | undefined {
  const value = fieldOf(map, key);
  return typeof value === "string" ? value : undefined;
}

export function numberIn(map: JsonMap, key: string): number | undefined {
  const value = fieldOf(map, key);
  return typeof value === "number" ? value : undefined;
}
