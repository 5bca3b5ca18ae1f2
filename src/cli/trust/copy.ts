import { copyTrust } from "../../app/install/copy-trust.ts";
import { type Command, exitCodes } from "../command.ts";

export const trustCopy: Command = {
  name: "trust copy",
  usage: "FROM --out D",
  about:
    "Copies a member's folder to one that this user alone may read. A pod does so before its agent starts: a Secret\n" +
    "volume lets a group read keys, and cannot be written to. Run again, it keeps a newer charter that D has.",
  options: {
    out: { type: "string", hint: "D", about: "the agent's trust.dir", required: true },
  },
  positionals: { min: 1, max: 1 },
  run: async (args, terminal) => {
    const out = args.text("out") ?? "";
    const { charter } = await copyTrust(args.positionals[0] ?? "", out);
    terminal.out(`Copied to ${out}, charter number ${charter}\n`);
    return exitCodes.done;
  },
};
