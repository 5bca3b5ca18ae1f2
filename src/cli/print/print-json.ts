import { visibleJson } from "../../mesh/visible.ts";
import type { Terminal } from "../command.ts";

/** For answers that hold what others wrote: it cannot steer the terminal that shows it. */
export function printJson(value: unknown, terminal: Terminal): void {
  terminal.out(`${visibleJson(value)}\n`);
}
