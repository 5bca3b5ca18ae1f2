import { isMainThread } from "node:worker_threads";
import { didYouMean } from "../app/nearest.ts";
import { type ErrorCode, MeshError, reasonOf } from "../mesh/errors.ts";
import { redactText } from "../telemetry/redact.ts";
import { argumentsFor } from "./arguments.ts";
import { exitCodes, type Terminal } from "./command.ts";
import { type CommandEntry, commands, sections } from "./commands.ts";
import { groupOverview, helpOf, overview } from "./help.ts";
import { processTerminal } from "./terminal.ts";

// The bundle is one file, so this is what a worker thread of an engine starts with.
if (!isMainThread) await import("../app/launcher/engine-worker.ts");

/** Runs one command; returns one of `exitCodes`. */
export async function main(
  argv: readonly string[],
  terminal: Terminal = processTerminal(),
): Promise<number> {
  try {
    return await dispatch(argv, terminal);
  } catch (thrown) {
    terminal.err(`${redactText(explanationOf(thrown))}\n`);
    return exitCodeOf(thrown);
  }
}

async function dispatch(argv: readonly string[], terminal: Terminal): Promise<number> {
  const words = argv.slice(0, firstOption(argv));
  const isHelp = argv.includes("--help") || argv.includes("-h") || words[0] === "help";
  const wanted = words[0] === "help" ? words.slice(1) : words;
  if (argv[0] === "--version" || argv[0] === "-v") return dispatch(["version"], terminal);
  const entry = entryFor(wanted);
  if (entry === undefined) return unknown(wanted, { terminal, isHelp });
  const command = await entry.load();
  if (isHelp) {
    terminal.out(helpOf(command));
    return exitCodes.done;
  }
  const rest = argv.slice(entry.name.split(" ").length);
  return command.run(argumentsFor(command, rest), terminal);
}

function firstOption(argv: readonly string[]): number {
  const index = argv.findIndex((word) => word.startsWith("-"));
  return index === -1 ? argv.length : index;
}

/** The longest name wins: `trust issue member NAME`. */
function entryFor(words: readonly string[]): CommandEntry | undefined {
  const matching = commands.filter(({ name }) =>
    name.split(" ").every((word, index) => word === words[index]),
  );
  return matching.sort((left, right) => right.name.length - left.name.length)[0];
}

function unknown(
  words: readonly string[],
  { terminal, isHelp }: { readonly terminal: Terminal; readonly isHelp: boolean },
): number {
  if (words.length === 0) {
    terminal.out(overview(sections));
    return isHelp ? exitCodes.done : exitCodes.usage;
  }
  const group = longestGroup(words);
  if (group === words.join(" ")) {
    terminal.out(groupOverview(group, commands));
    return isHelp ? exitCodes.done : exitCodes.usage;
  }
  const typed = words.slice(0, (group?.split(" ").length ?? 0) + 1).join(" ");
  const known = new Set(
    commands.flatMap(({ name }) => {
      const parts = name.split(" ");
      return parts.map((_, index) => parts.slice(0, index + 1).join(" "));
    }),
  );
  throw new MeshError(
    "MESH_USAGE",
    `Cannot run "${typed}": there is no such command${didYouMean(typed, known)}\n` +
      "isthmus --help lists all commands",
  );
}

/** `trust issue` for `trust issue membr`. */
function longestGroup(words: readonly string[]): string | undefined {
  for (let count = words.length; count > 0; count -= 1) {
    const group = words.slice(0, count).join(" ");
    if (commands.some(({ name }) => name.startsWith(`${group} `))) return group;
  }
  return undefined;
}

const exitCodeByError: Partial<Record<ErrorCode, number>> = {
  MESH_USAGE: exitCodes.usage,
  // Of words that were typed: what stands in files is MESH_CONFIG_INVALID, or a finding.
  MESH_ID_INVALID: exitCodes.usage,
  MESH_ADDRESS_INVALID: exitCodes.usage,
  MESH_CONFIG_INVALID: exitCodes.config,
  MESH_UNREACHABLE: exitCodes.unreachable,
  MESH_CATALOG_UNAVAILABLE: exitCodes.unreachable,
  MESH_ENGINE_MISSING: exitCodes.unreachable,
};

function exitCodeOf(thrown: unknown): number {
  const code = thrown instanceof MeshError ? exitCodeByError[thrown.code] : undefined;
  return code ?? exitCodes.failed;
}

function isOfGrpc(thrown: unknown): boolean {
  return thrown instanceof Error && "details" in thrown && "metadata" in thrown;
}

/** The sentence, then why, then where to read on; the stack only where we are at fault. */
function explanationOf(thrown: unknown): string {
  if (!(thrown instanceof MeshError)) {
    const stack = thrown instanceof Error ? thrown.stack : undefined;
    return `Cannot go on: ${stack ?? reasonOf(thrown)}`;
  }
  const causes: string[] = [];
  // gRPC's sentence is in ours, without what its library puts around it.
  for (let cause = thrown.cause; cause !== undefined && !isOfGrpc(cause); ) {
    const reason = reasonOf(cause);
    // Most messages end with what their cause says.
    if (!thrown.message.includes(reason)) causes.push(`  because: ${reason}`);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  const reading = thrown.code === "MESH_USAGE" ? [] : [`  (${thrown.code}, see docs/errors.md)`];
  return [thrown.message, ...causes.slice(0, 3), ...reading].join("\n");
}
