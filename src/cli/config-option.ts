import type { Ran } from "../app/agent/run-agent.ts";
import { exitCodes, type Option, type Terminal } from "./command.ts";
import { printProblems } from "./print/print-problems.ts";

export const optionalConfig: Option = {
  type: "string",
  hint: "FILE",
  about: "the configuration file",
  short: "c",
};

export const configOption: Readonly<Record<"config", Option>> = {
  config: { ...optionalConfig, required: true },
};

/** The exit code of a service; a wrong configuration is told in full, one line for each problem. */
export function exitCodeOf(ran: Ran, terminal: Terminal): number {
  if (ran.t === "ended") return ran.code;
  printProblems(ran, terminal);
  return exitCodes.config;
}
