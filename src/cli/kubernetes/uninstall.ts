import { parseCloud } from "../../app/install/install-words.ts";
import { writeDeletion } from "../../app/install/write-manifests.ts";
import { type Command, exitCodes } from "../command.ts";

export const uninstall: Command = {
  name: "uninstall",
  usage: "--cloud eks|aks|gke [--keep-crds]",
  about:
    "Prints what install made, in the order in which it can go; nothing is deleted yet. Delete it with\n" +
    "  isthmus uninstall --cloud C | kubectl delete --ignore-not-found -f -\n" +
    "With the CRDs go all objects of theirs, every ServiceExport among them, and with those all imports and the\n" +
    "Services behind them. Pods keep their sidecars until they are made anew: remove the label isthmus.dev/inject,\n" +
    "uninstall, then restart the workloads. What the cluster's own DNS was told to forward stays for you to take out.",
  options: {
    cloud: { type: "string", hint: "C", about: "eks, aks or gke", required: true },
    "keep-crds": { type: "boolean", about: "something else uses them, or exports shall stay" },
  },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const cloud = parseCloud(args.text("cloud") ?? "");
    terminal.out(writeDeletion({ cloud, withoutCrds: args.has("keep-crds") }));
    return exitCodes.done;
  },
};
