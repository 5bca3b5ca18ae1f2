import { runPart } from "../../app/demo/part-process.ts";
import { type Command, exitCodes } from "../command.ts";

export const demoPart: Command = {
  name: "demo-part",
  usage: "TYPE LOGFILE",
  about: "One process of the demo. It is started by the demo and does nothing on its own.",
  options: {},
  positionals: { min: 2, max: 2 },
  run: async ({ positionals }) => {
    const [type = "", logFile = ""] = positionals;
    await runPart({ type, logFile });
    return exitCodes.done;
  },
};
