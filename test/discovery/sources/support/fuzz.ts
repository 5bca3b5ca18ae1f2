/**
 * How many inputs a fuzz test tries: a few in the gate, as many as ISTHMUS_FUZZ says in a long run.
 */
export function fuzzRuns(usual: number): number {
  const wanted = Number(process.env["ISTHMUS_FUZZ"] ?? usual);
  return Number.isSafeInteger(wanted) && wanted > 0 ? wanted : usual;
}
