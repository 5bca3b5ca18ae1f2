import { makeGateway } from "../../app/trust-tasks.ts";
import { type Command, exitCodes } from "../command.ts";
import { printSvid, svidOptions } from "../print/issued.ts";

export const trustIssueGateway: Command = {
  name: "trust issue gateway",
  usage: "--dir E --out F [--json]",
  about: "Writes the first identity of a member's gateway: svid.pem, svid.key, bundle.pem.",
  options: svidOptions,
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const made = await makeGateway({ dir: args.text("dir") ?? "", out: args.text("out") ?? "" });
    printSvid(made, { args, terminal });
    return exitCodes.done;
  },
};
