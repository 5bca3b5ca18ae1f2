import type { AgentConfig } from "../../app/config/config.ts";
import { loadAgentConfig } from "../../app/config/load-config.ts";
import type { Arguments, Option, Terminal } from "../command.ts";
import { printProblems } from "../print/print-problems.ts";

/** Of commands that work on the state folder of an agent. */
export const agentConfigOption: Readonly<Record<"config", Option>> = {
  config: {
    type: "string",
    hint: "FILE",
    about: "the agent's agent.yaml, on its machine",
    short: "c",
    required: true,
  },
};

/** Undefined: it is wrong, and what is wrong with it was printed. */
export function agentConfigIn(args: Arguments, terminal: Terminal): AgentConfig | undefined {
  const parsed = loadAgentConfig(args.text("config") ?? "");
  if (parsed.t === "ok") return parsed.config;
  printProblems(parsed, terminal);
  return undefined;
}
