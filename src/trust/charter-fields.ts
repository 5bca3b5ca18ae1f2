import { MeshError } from "../mesh/errors.ts";

// How the fields of a charter are read. All of it throws MESH_TRUST_CHARTER_REFUSED.

export function refuseCharter(truth: string, cause?: unknown): never {
  const shown = truth.length > 200 ? `${truth.slice(0, 200)}…` : truth;
  throw new MeshError("MESH_TRUST_CHARTER_REFUSED", `Cannot use charter: ${shown}`, { cause });
}

/** Own fields only: `__proto__` and friends of a hostile document are no fields. */
export function fieldOf(value: unknown, name: string): unknown {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject) return refuseCharter(`"${name}" is looked for in something that is no object`);
  return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}

export function textAt(value: unknown, name: string): string {
  const text = fieldOf(value, name);
  return typeof text === "string" ? text : refuseCharter(`"${name}" is not text`);
}

/** Cloud and region: free words, but fit for metric labels and terminals. */
export function labelAt(value: unknown, name: string): string {
  const text = textAt(value, name);
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text)
    ? text
    : refuseCharter(`"${name}" is not a word of letters, digits, ".", "_" and "-"`);
}

/** What a person gives as a reason, fit for a terminal. */
export function sentenceAt(value: unknown, name: string): string {
  const text = textAt(value, name);
  return text.length <= 200 && !/\p{C}/u.test(text)
    ? text
    : refuseCharter(`"${name}" is no sentence of at most 200 characters`);
}

/** From 1 where nothing else is said. */
export function integerAt(value: unknown, name: string, atLeast = 1): number {
  const number = fieldOf(value, name);
  return typeof number === "number" && Number.isSafeInteger(number) && number >= atLeast
    ? number
    : refuseCharter(`"${name}" is not an integer from ${atLeast}`);
}

export function listAt(value: unknown, name: string, maxLength: number): readonly unknown[] {
  const list: unknown = fieldOf(value, name);
  if (!Array.isArray(list)) return refuseCharter(`"${name}" is not a list`);
  return list.length <= maxLength
    ? list
    : refuseCharter(`"${name}" has more than ${maxLength} entries`);
}

export function textsAt(value: unknown, name: string, maxLength: number): readonly string[] {
  return listAt(value, name, maxLength).map((text) =>
    typeof text === "string" ? text : refuseCharter(`"${name}" is not a list of texts`),
  );
}

export function oneOf<Word extends string>(words: readonly Word[], text: string): Word {
  return (
    words.find((word) => word === text) ?? refuseCharter(`"${text}" is not ${words.join(", ")}`)
  );
}
