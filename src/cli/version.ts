import { version as current } from "../app/version.ts";
import { type Command, exitCodes } from "./command.ts";

export const version: Command = {
  name: "version",
  usage: "",
  about: "Prints the version of this program.",
  options: {},
  positionals: { min: 0, max: 0 },
  run: async (_args, terminal) => {
    terminal.out(`isthmus ${current} (node ${process.versions.node})\n`);
    return exitCodes.done;
  },
};
