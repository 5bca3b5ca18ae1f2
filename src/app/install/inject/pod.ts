/** JSON of a pod as a client or an API server wrote it: read with care, kept whole. */
export type Json = Readonly<Record<string, unknown>>;

export function mapIn(value: unknown, name: string): Json {
  const found = isMap(value) ? value[name] : undefined;
  return isMap(found) ? found : {};
}

export function listIn(value: unknown, name: string): readonly Json[] {
  const found = isMap(value) ? value[name] : undefined;
  return Array.isArray(found) ? found.filter(isMap) : [];
}

export function textIn(value: unknown, name: string): string | undefined {
  const found = isMap(value) ? value[name] : undefined;
  return typeof found === "string" ? found : undefined;
}

export function isMap(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
