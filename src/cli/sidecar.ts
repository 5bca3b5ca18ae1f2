import { runSidecar } from "../app/launcher/run-launcher.ts";
import type { Command } from "./command.ts";
import { configOption, exitCodeOf } from "./service.ts";

export const sidecar: Command = {
  name: "sidecar",
  usage: "--config FILE",
  about:
    "Runs the proxy beside a workload: mTLS in both directions, nearest endpoint first. Renews its identity at the\n" +
    "agent; what the agent told it stays in force without the agent. SIGTERM drains it.",
  options: configOption,
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => exitCodeOf(await runSidecar(args.text("config") ?? ""), terminal),
};
