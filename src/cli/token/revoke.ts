import { takeTokenBack } from "../../app/join/token-tasks.ts";
import { type Command, exitCodes } from "../command.ts";
import { agentConfigIn, agentConfigOption } from "./agent-config-option.ts";

export const tokenRevoke: Command = {
  name: "token revoke",
  usage: "ID --config FILE",
  about:
    "Takes a join token back, at once. What it bought before stays good: a VM's certificate until it ends and is\n" +
    "not renewed any more once its WorkloadGroup is gone, a member until it is denied.",
  options: agentConfigOption,
  positionals: { min: 1, max: 1 },
  run: async (args, terminal) => {
    const config = agentConfigIn(args, terminal);
    if (config === undefined) return exitCodes.config;
    const id = args.positionals[0] ?? "";
    const isNew = await takeTokenBack(config, { id, nowMs: Date.now() });
    terminal.out(isNew ? `Token ${id} is revoked\n` : `Token ${id} was revoked before\n`);
    return exitCodes.done;
  },
};
