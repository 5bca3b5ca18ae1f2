import { runAgent } from "../../app/agent/run-agent.ts";
import type { Command } from "../command.ts";
import { configOption, exitCodeOf } from "../config-option.ts";

export const agent: Command = {
  name: "agent",
  usage: "--config FILE",
  about:
    "Runs the control plane of one member: reads services, publishes what it exports, follows the others, tells\n" +
    "sidecars and the gateway what to do. Ends in good order on SIGTERM; logs are JSON lines on standard output.",
  options: configOption,
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => exitCodeOf(await runAgent(args.text("config") ?? ""), terminal),
};
