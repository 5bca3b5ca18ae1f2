import { runSidecar, type SidecarConfigPlace } from "../../app/launcher/run-launcher.ts";
import { usage } from "../arguments.ts";
import type { Arguments, Command, Terminal } from "../command.ts";
import { exitCodeOf, optionalConfig } from "../config-option.ts";

export const sidecar: Command = {
  name: "sidecar",
  usage: "[--config FILE]",
  about:
    "Runs the proxy beside a workload: mTLS in both directions, nearest endpoint first. Renews its identity at the\n" +
    "agent; what the agent told it stays in force without the agent. SIGTERM drains it.\n" +
    "Without --config, the text of the file is taken from ISTHMUS_CONFIG: that is how an injected one gets it.",
  options: { config: optionalConfig },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => exitCodeOf(await runSidecar(placeOf(args, terminal)), terminal),
};

const variable = "ISTHMUS_CONFIG";

function placeOf(args: Arguments, terminal: Terminal): SidecarConfigPlace {
  const file = args.text("config");
  if (file !== undefined) return { file };
  const text = terminal.env[variable];
  if (text !== undefined) return { name: variable, text };
  throw usage(sidecar, `neither --config nor ${variable} says what to run`);
}
