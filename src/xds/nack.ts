/**
 * Which of the resources sent a client blames. Envoy names clusters and listeners that it refused one by
 * one (the others of that response are in force then); it names nobody when a proto constraint fails, and
 * has dropped the whole response. The text before the names is random on purpose, so only this form counts:
 * `Error adding/updating cluster(s) a: reason, b: reason`.
 */
export function blamedNames(error: string, sent: readonly string[]): readonly string[] {
  const match = blame.exec(error);
  if (match === null) return [];
  // A leading blank keeps `b` from being found in `ab: reason`; names hold no blanks.
  const text = ` ${error.slice(match.index + match[0].length)}`;
  return sent.filter((name) => text.includes(` ${name}: `));
}

const blame = /Error adding\/updating [a-z]+\(s\) /;

/**
 * Which of the resources of a response gRPC clients blame: they count them, and have taken the others.
 * The form: `xDS response validation errors: [resource index 0: reason; resource index 2: reason]`.
 */
export function blamedIndices(error: string): readonly number[] {
  if (!error.startsWith("xDS response validation errors: [")) return [];
  const indices = [...error.matchAll(/resource index (\d{1,6})\b/g)].map((match) =>
    Number(match[1]),
  );
  return [...new Set(indices)];
}
