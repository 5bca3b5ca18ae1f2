import { removeCapture } from "../../app/capture/nft.ts";
import { type Command, exitCodes } from "../command.ts";

export const captureRemove: Command = {
  name: "capture remove",
  usage: "",
  about:
    "Takes away the table inet isthmus, whole; where there is none it does nothing. Connections that are open through\n" +
    "the sidecar may end with it: where nobody else's rules translate addresses, the kernel stops to do so.",
  options: {},
  positionals: { min: 0, max: 0 },
  run: async () => {
    await removeCapture();
    return exitCodes.done;
  },
};
