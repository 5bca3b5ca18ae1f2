import type { FindingsAnswer } from "../../app/api-model.ts";
import { checkFiles } from "../../app/check/check-files.ts";
import type { Finding } from "../../mesh/service.ts";
import { agentOption, askAgent } from "../agent-api.ts";
import { type Command, exitCodes, jsonOption, type Terminal } from "../command.ts";
import { counted, stateCell } from "../print/phrases.ts";
import { printJson } from "../print/print-json.ts";
import { painted } from "../print/table.ts";
import { wrapped } from "../print/wrap.ts";

export const check: Command = {
  name: "check",
  usage: "[FILE…] [--agent URL] [--json]",
  about:
    "Says what is wrong: in files and folders when some are named (manifests, agent.yaml, gateway.yaml,\n" +
    "sidecar.yaml, what isthmus trust made; no agent is asked), else in the live mesh as the agent sees it.\n" +
    "docs/errors.md explains each code. Exit code 1 when there are errors; warnings alone are 0.",
  options: { ...agentOption, ...jsonOption },
  positionals: { min: 0, max: 1000 },
  run: async (args, terminal) => {
    const paths = args.positionals;
    const findings =
      paths.length > 0
        ? await checkFiles(paths)
        : (await askAgent<FindingsAnswer>("/api/v1/findings", { args, terminal })).findings;
    const sorted = [...findings].sort(byWeight);
    if (args.has("json")) printJson({ findings: sorted }, terminal);
    else terminal.out(page(sorted, terminal));
    const hasErrors = findings.some(({ severity }) => severity === "error");
    return hasErrors ? exitCodes.failed : exitCodes.done;
  },
};

const weights: Readonly<Record<Finding["severity"], number>> = { error: 0, warning: 1, info: 2 };

function byWeight(left: Finding, right: Finding): number {
  const byClass = weights[left.severity] - weights[right.severity];
  return byClass === 0
    ? left.subject.localeCompare(right.subject, "en", { numeric: true })
    : byClass;
}

/** Sentences are long: a table would cut what matters. */
function page(findings: readonly Finding[], terminal: Terminal): string {
  if (findings.length === 0)
    return `${painted({ text: "Nothing found", tone: "good" }, terminal)}\n`;
  const lines = findings.map((finding) => {
    const severity = painted(stateCell(finding.severity), terminal);
    const code = painted({ text: finding.code, tone: "quiet" }, terminal);
    const message = wrapped(finding.message, { first: "  ", indent: "  " }, terminal);
    return `${severity} ${finding.subject} ${code}\n${message}`;
  });
  const count = (severity: string): number =>
    findings.filter((finding) => finding.severity === severity).length;
  const sum = `${counted(count("error"), "error")}, ${counted(count("warning"), "warning")}, ${count("info")} info\n`;
  return `${lines.join("")}\n${sum}`;
}
