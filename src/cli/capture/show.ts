import { shownCapture } from "../../app/capture/nft.ts";
import { type Command, exitCodes, jsonOption } from "../command.ts";
import { printJson } from "../print/print-json.ts";

export const captureShow: Command = {
  name: "capture show",
  usage: "[--json]",
  about:
    "Prints the rules of capture that are in force here, as nft does. Exit code 1: there are none.",
  options: jsonOption,
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const rules = await shownCapture();
    if (args.has("json")) printJson({ isApplied: rules !== undefined, rules }, terminal);
    else if (rules === undefined) terminal.err("Nothing is captured here\n");
    else terminal.out(rules);
    return rules === undefined ? exitCodes.failed : exitCodes.done;
  },
};
