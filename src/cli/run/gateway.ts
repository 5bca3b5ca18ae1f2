import { runGateway } from "../../app/launcher/run-launcher.ts";
import type { Command } from "../command.ts";
import { configOption, exitCodeOf } from "../config-option.ts";

export const gateway: Command = {
  name: "gateway",
  usage: "--config FILE",
  about:
    "Runs the east-west gateway of a member: takes connections of other members, reads the SNI and forwards bytes\n" +
    "to a workload. Renews its identity at the agent. SIGTERM drains it.",
  options: configOption,
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => exitCodeOf(await runGateway(args.text("config") ?? ""), terminal),
};
