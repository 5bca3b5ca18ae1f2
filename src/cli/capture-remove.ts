import { removeCapture } from "../app/capture/nft.ts";
import { type Command, exitCodes } from "./command.ts";

export const captureRemove: Command = {
  name: "capture remove",
  usage: "",
  about:
    "Takes away the table inet isthmus, whole; where there is none it does nothing. Open connections stay as they are.",
  options: {},
  positionals: { min: 0, max: 0 },
  run: async () => {
    await removeCapture();
    return exitCodes.done;
  },
};
