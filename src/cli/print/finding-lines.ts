import type { HubFinding } from "../../app/hub/hub-finding.ts";
import type { Terminal } from "../command.ts";
import { stateCell } from "./phrases.ts";
import { painted } from "./table.ts";
import { wrapped } from "./wrap.ts";

/** Severity, subject and code; below them what is, and what to do. */
export function findingLines(findings: readonly HubFinding[], terminal: Terminal): string {
  return findings
    .map(({ code, severity, subject, message, remedy }) => {
      const head = `${painted(stateCell(severity), terminal)} ${subject} ${painted({ text: code, tone: "quiet" }, terminal)}`;
      const body = wrapped(message, { indent: "  ", first: "  " }, terminal);
      const hint = wrapped(remedy, { indent: "    ", first: "  → " }, terminal);
      return `${head}\n${body}${painted({ text: hint.trimEnd(), tone: "quiet" }, terminal)}\n`;
    })
    .join("");
}
