import type { ConfigProblem } from "../../app/config/config-parser.ts";
import { formatProblem } from "../../app/config/load-config.ts";
import type { Terminal } from "../command.ts";

/** What is wrong with a configuration, one line each. */
export function printProblems(
  { problems }: { readonly problems: readonly ConfigProblem[] },
  terminal: Terminal,
): void {
  for (const problem of problems) terminal.err(`${formatProblem(problem)}\n`);
}
