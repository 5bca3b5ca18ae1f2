import type { Outcome } from "./run-fault.ts";
import { judge } from "./targets.ts";

/** Every value of every fault over all repeats, sorted, and in how many of them its target was met. */
export function distribution(outcomes: readonly Outcome[]): string {
  const names = [...new Set(outcomes.map(({ name }) => name))];
  return names.map((name) => blockOf(outcomes.filter((one) => one.name === name))).join("");
}

function blockOf(repeats: readonly Outcome[]): string {
  const [first] = repeats;
  if (first === undefined) return "";
  const judged = repeats.map(judge);
  const rows = judge(first).map(({ what }, index) => {
    const verdicts = judged.flatMap((row) => row[index] ?? []);
    const met = verdicts.filter(({ isMet }) => isMet).length;
    const values = verdicts.map(({ value }) => value).sort((a, b) => a - b);
    const limit = Math.max(...verdicts.map((verdict) => verdict.limit));
    const word = met === verdicts.length ? "met   " : "MISSED";
    return `  ${word} ${met}/${verdicts.length} ${what.padEnd(30)} ≤ ${shown(limit).padEnd(6)} ${values.map(shown).join(" ")}\n`;
  });
  return `${first.name} (${first.engine}, n = ${repeats.length}; row "${first.row}")\n${rows.join("")}`;
}

function shown(value: number): string {
  return Number.isFinite(value) ? String(Math.round(value)) : "never";
}
