import { type CheckedHub, checkHubs } from "../../app/hub/check/check-hubs.ts";
import { readTarget } from "../../app/hub/hub-target.ts";
import { type Command, exitCodes, type Terminal } from "../command.ts";
import { findingLines } from "../print/finding-lines.ts";
import { hubJson } from "../print/hub-json.ts";
import { hubRows } from "../print/hub-rows.ts";
import { printJson } from "../print/print-json.ts";
import { printProblems } from "../print/print-problems.ts";
import { painted } from "../print/table.ts";
import { hubOptions, hubWords } from "./hub-options.ts";

export const hubCheck: Command = {
  name: "hub check",
  usage: "(--config F | --url URL [LOGIN]) [--json]",
  about:
    "Says whether a Redis is fit for a catalog: version, shape, TLS, rights, latency, memory and eviction, clock,\n" +
    "persistence, and what the mesh has in it. It changes nothing there; what a managed Redis does not tell is\n" +
    "said to be unknown. Exit code 1 when something is refused, 69 when a hub does not answer.",
  options: {
    ...hubOptions,
    mesh: {
      type: "string",
      hint: "M",
      about: "with --url: whose catalog (default: of --trust, or any)",
    },
    member: {
      type: "string",
      hint: "NAME",
      about: "with --url: whose rights (default: the user's name)",
    },
  },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const read = await readTarget(hubWords(args));
    if (read.t === "misconfigured") {
      printProblems(read, terminal);
      return exitCodes.config;
    }
    const { target } = read;
    const hubs = await checkHubs(target);
    if (args.has("json")) printJson({ hubs: hubs.map(hubJson) }, terminal);
    else {
      if (target.charterProblem !== undefined) {
        terminal.err(`Without the charter: ${target.charterProblem}\n`);
      }
      terminal.out(hubs.map((hub) => page(hub, terminal)).join("\n"));
    }
    return exitCodeOf(hubs);
  },
};

/** A refusal needs somebody; a hub that is away may come back by itself. */
function exitCodeOf(hubs: readonly CheckedHub[]): number {
  const isRefused = hubs.some(
    ({ isReachable, findings }) =>
      isReachable && findings.some(({ severity }) => severity === "error"),
  );
  if (isRefused) return exitCodes.failed;
  return hubs.every(({ isReachable }) => isReachable) ? exitCodes.done : exitCodes.unreachable;
}

function page(checked: CheckedHub, terminal: Terminal): string {
  const title = checked.hub === checked.url ? "" : `  ${checked.url}`;
  const head = `${checked.hub}${painted({ text: title, tone: "quiet" }, terminal)}\n`;
  const rows = checked.facts === undefined ? "" : hubRows(checked.facts, terminal);
  const findings = findingLines(checked.findings, terminal);
  const verdict =
    checked.findings.length === 0
      ? `${painted({ text: "  fit for a catalog", tone: "good" }, terminal)}\n`
      : "";
  return `${head}${rows}${verdict}${findings}`;
}
