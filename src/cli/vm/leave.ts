import { defaultVmDir } from "../../app/vm/join/vm-words.ts";
import { leaveVm } from "../../app/vm/leave-vm.ts";
import { type Command, exitCodes } from "../command.ts";

export const vmLeave: Command = {
  name: "vm leave",
  usage: "[--dir D]",
  about:
    "Takes this machine out of the mesh: its sidecar tells the agent, goes on until nobody opens new connections, and\n" +
    "ends; then key, certificate and sidecar.yaml are removed. To come back it needs a new token.\n" +
    "Where the unit runs it (deploy/vm), systemctl disable isthmus-vm keeps it from starting again.",
  options: {
    dir: { type: "string", hint: "D", about: "as of isthmus vm join (default: /var/lib/isthmus)" },
  },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const dir = args.text("dir") ?? defaultVmDir;
    const { ended } = await leaveVm(dir);
    const told =
      ended === undefined
        ? "no sidecar ran, so the agent forgets the workload after the group's grace"
        : "its sidecar has said goodbye and ended";
    terminal.out(
      `This machine has left the mesh: ${told}\n  removed: what isthmus kept in ${dir}\n`,
    );
    return exitCodes.done;
  },
};
