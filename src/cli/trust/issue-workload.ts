import { makeWorkload } from "../../app/trust-tasks.ts";
import { type Command, exitCodes } from "../command.ts";
import { printSvid, svidOptions } from "../print/issued.ts";

export const trustIssueWorkload: Command = {
  name: "trust issue workload",
  usage: "NAMESPACE/SERVICEACCOUNT --dir E --out F [--json]",
  about: "Writes the first identity of a workload: svid.pem, svid.key, bundle.pem.",
  options: svidOptions,
  positionals: { min: 1, max: 1 },
  run: async (args, terminal) => {
    const made = await makeWorkload({
      account: args.positionals[0] ?? "",
      dir: args.text("dir") ?? "",
      out: args.text("out") ?? "",
    });
    printSvid(made, { args, terminal });
    return exitCodes.done;
  },
};
