import { captureRules } from "../../app/capture/capture-words.ts";
import { applyCapture } from "../../app/capture/nft.ts";
import { applyScript } from "../../app/capture/nft-rules.ts";
import { type Command, exitCodes } from "../command.ts";
import { printProblems } from "../print/print-problems.ts";

export const captureApply: Command = {
  name: "capture apply",
  usage: "[--config FILE] [OPTIONS] [--dry-run]",
  about:
    "Leads what this machine, or this network namespace, dials over TCP to its sidecar, and what others dial here as\n" +
    "well: rules in an nftables table of their own (inet isthmus), replaced as a whole. What the sidecar itself dials\n" +
    "goes its way, and so do DNS and what dials its own machine. Needs nft and CAP_NET_ADMIN.\n" +
    "Connections fail while no sidecar runs; those that are open stay as they are.",
  options: {
    config: {
      type: "string",
      hint: "FILE",
      about: "sidecar.yaml: ports and open ports as it says",
      short: "c",
    },
    "exclude-uids": {
      type: "string",
      hint: "ID,…",
      about: "whom the sidecar runs as (default: 1337)",
    },
    "exclude-gids": { type: "string", hint: "ID,…", about: "the same by group" },
    "exclude-inbound-ports": {
      type: "string",
      hint: "PORT,…",
      about: "others meet the application itself there; sidecar.yaml must name them in openPorts",
    },
    "exclude-outbound-ports": {
      type: "string",
      hint: "PORT,…",
      about: "dialled without a sidecar",
    },
    "exclude-outbound-ranges": {
      type: "string",
      hint: "CIDR,…",
      about: "dialled without a sidecar, for one a cloud's metadata service",
    },
    "dry-run": {
      type: "boolean",
      about: "print the rules, as nft -f reads them, and change nothing",
    },
  },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const answer = captureRules({
      config: args.text("config"),
      uids: args.text("exclude-uids"),
      gids: args.text("exclude-gids"),
      excludeInboundPorts: args.text("exclude-inbound-ports"),
      excludeOutboundPorts: args.text("exclude-outbound-ports"),
      excludeOutboundRanges: args.text("exclude-outbound-ranges"),
    });
    if (answer.t === "misconfigured") {
      printProblems(answer, terminal);
      return exitCodes.config;
    }
    if (args.has("dry-run")) terminal.out(applyScript(answer.rules));
    else await applyCapture(answer.rules);
    return exitCodes.done;
  },
};
