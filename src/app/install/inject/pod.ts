import { fieldOf, isMap, type JsonMap } from "../../../mesh/json-map.ts";

// A pod as a client or an API server wrote it: what is not there, or is something else, is empty.

export function mapIn(value: unknown, name: string): JsonMap {
  const found = fieldOf(value, name);
  return isMap(found) ? found : {};
}

export function listIn(value: unknown, name: string): readonly JsonMap[] {
  const found = fieldOf(value, name);
  return Array.isArray(found) ? found.filter(isMap) : [];
}

export function textIn(value: unknown, name: string): string | undefined {
  const found = fieldOf(value, name);
  return typeof found === "string" ? found : undefined;
}
