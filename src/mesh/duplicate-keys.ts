/**
 * The first name that an object of a JSON text has twice; undefined: none has. `JSON.parse` keeps the last of them
 * without a word, other readers the first. The text has to be JSON.
 */
export function duplicateKeyIn(text: string): string | undefined {
  /** Names of each open object; undefined for an open list. */
  const open: (Set<string> | undefined)[] = [];
  const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]/gs;
  let last = "";
  for (const [token] of text.matchAll(tokens)) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(undefined);
    else if (token === "}" || token === "]") open.pop();
    else if (token === ":") {
      const names = open.at(-1);
      // Escapes write one name in many ways.
      const name: unknown = JSON.parse(last);
      if (names !== undefined && typeof name === "string") {
        if (names.has(name)) return name;
        names.add(name);
      }
    }
    last = token;
  }
  return undefined;
}
