import { parseArgs } from "node:util";
import { didYouMean } from "../app/nearest.ts";
import { MeshError, reasonOf } from "../mesh/errors.ts";
import type { Arguments, Command, Option } from "./command.ts";

/** Throws MESH_USAGE with a sentence that says what to type instead. */
export function argumentsFor(command: Command, argv: readonly string[]): Arguments {
  const { values, positionals } = parsed(command, argv);
  const { min, max } = command.positionals;
  if (positionals.length < min) throw usage(command, "something is missing");
  if (positionals.length > max) {
    throw usage(command, `"${positionals[max] ?? ""}" is one word too many`);
  }
  for (const [name, option] of Object.entries(command.options)) {
    if (option.required === true && values[name] === undefined) {
      throw usage(command, `--${name} is missing`);
    }
  }
  return {
    positionals,
    text: (name) => textsIn(values[name])[0],
    texts: (name) => textsIn(values[name]),
    has: (name) => values[name] !== undefined && values[name] !== false,
  };
}

type Values = Readonly<Record<string, unknown>>;

function parsed(
  command: Command,
  argv: readonly string[],
): { readonly values: Values; readonly positionals: readonly string[] } {
  const options = Object.fromEntries(
    Object.entries(command.options).map(([name, option]) => [name, nodeOption(option)]),
  );
  refuseUnknown(command, argv);
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (cause) {
    // Node's own sentences say how to write the option right; only their first one matters.
    throw usage(command, reasonOf(cause).split(". ")[0] ?? "", cause);
  }
}

function nodeOption(option: Option): {
  type: "string" | "boolean";
  multiple: boolean;
  short?: string;
} {
  const short = option.short === undefined ? {} : { short: option.short };
  return { type: option.type, multiple: option.multiple === true, ...short };
}

function refuseUnknown(command: Command, argv: readonly string[]): void {
  for (const word of argv) {
    if (word === "--") return;
    const name = /^--([^=]+)/.exec(word)?.[1];
    if (name === undefined || Object.hasOwn(command.options, name)) continue;
    const hint = didYouMean(name, Object.keys(command.options));
    throw usage(command, `there is no option --${name}${hint}`);
  }
}

function textsIn(value: unknown): readonly string[] {
  const list = Array.isArray(value) ? value : [value];
  return list.filter((item) => typeof item === "string");
}

/** Whole sentence plus the form the command has. */
export function usage(command: Command, truth: string, cause?: unknown): MeshError {
  const form = `isthmus ${command.name} ${command.usage}`.trimEnd();
  return new MeshError(
    "MESH_USAGE",
    `Cannot run isthmus ${command.name}: ${truth}\nUsage: ${form}`,
    cause === undefined ? undefined : { cause },
  );
}
