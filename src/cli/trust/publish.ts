import { charterInFolder } from "../../app/member/root-tasks.ts";
import { agentOption } from "../agent-api.ts";
import { type Command, exitCodes, jsonOption } from "../command.ts";
import { handOver } from "../member/standing.ts";
import { printJson } from "../print/print-json.ts";

export const trustPublish: Command = {
  name: "trust publish",
  usage: "--dir ROOT [--agent URL] [--json]",
  about:
    "Hands the charter of a root's folder to an agent on this machine, which gives it to all members over its\n" +
    "hubs. The agent needs no signer: it verifies the charter as one from a hub.",
  options: {
    dir: {
      type: "string",
      hint: "ROOT",
      about: "the root's folder, or one with its charter.json and bundle.pem",
      required: true,
    },
    ...agentOption,
    ...jsonOption,
  },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const dir = args.text("dir") ?? "";
    const answer = await handOver(await charterInFolder(dir), { args, terminal, dir });
    if (args.has("json")) printJson(answer, terminal);
    else terminal.out(`Charter ${answer.number} is in force here and on its way to all members\n`);
    return exitCodes.done;
  },
};
