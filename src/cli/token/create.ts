import { type CreatedToken, makeToken, type TokenWords } from "../../app/join/token-tasks.ts";
import { type Arguments, type Command, exitCodes, jsonOption, type Terminal } from "../command.ts";
import { counted } from "../print/phrases.ts";
import { printJson } from "../print/print-json.ts";
import { agentConfigIn, agentConfigOption } from "./agent-config-option.ts";
import { boundTo, instant } from "./token-words.ts";

export const tokenCreate: Command = {
  name: "token create",
  usage: "--config FILE (--member NAME | --vm --group NS/NAME) [OPTIONS]",
  about:
    "Prints a one-time token by which a member or a VM joins: the token alone on standard output, what it is for\n" +
    "on standard error. Run it on the agent's machine: the token is kept in the agent's state folder, as a hash,\n" +
    "and buys something at that agent only. It carries the digest of the root, so that the newcomer knows whom to\n" +
    "trust. Whoever has it may join in its place until it is used: hand it over like a password.",
  options: {
    ...agentConfigOption,
    member: { type: "string", hint: "NAME", about: "for a new member; needs `trust.signer`" },
    vm: { type: "boolean", about: "for a VM of this member" },
    group: { type: "string", hint: "NS/NAME", about: "the VM's WorkloadGroup" },
    service: {
      type: "string",
      hint: "NS/NAME",
      about: "the group may back this service and no unnamed one (default: any)",
      multiple: true,
    },
    ttl: { type: "string", hint: "1h", about: "how long it is good: 1m to 24h (default: 1h)" },
    uses: { type: "string", hint: "N", about: "how many VMs may join by it (default: 1)" },
    from: {
      type: "string",
      hint: "CIDR",
      about: "where it may be shown from, as the agent sees it (default: anywhere)",
      multiple: true,
    },
    cloud: {
      type: "string",
      hint: "C",
      about: "of the member: aws, azure, gcp, … (default: onprem)",
    },
    region: { type: "string", hint: "R", about: "of the member (default: one of its own)" },
    network: { type: "string", hint: "N", about: "of the member (default: NAME)" },
    "gateway-range": {
      type: "string",
      hint: "CIDR",
      about: "where the member's gateways and endpoints may be (default: any routable address)",
      multiple: true,
    },
    export: {
      type: "string",
      hint: "NS",
      about: "a namespace that the member may export; * is all (default: none)",
      multiple: true,
    },
    ...jsonOption,
  },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const config = agentConfigIn(args, terminal);
    if (config === undefined) return exitCodes.config;
    const made = await makeToken(config, { words: wordsIn(args), nowMs: Date.now() });
    if (args.has("json")) printJson(jsonOf(made), terminal);
    else print(made, terminal);
    if (made.warning !== undefined) terminal.err(`${made.warning}\n`);
    return exitCodes.done;
  },
};

function wordsIn(args: Arguments): TokenWords {
  const name = args.text("member");
  const member =
    name === undefined
      ? undefined
      : {
          name,
          cloud: args.text("cloud"),
          region: args.text("region"),
          network: args.text("network"),
          gatewayRanges: args.texts("gateway-range"),
          mayExport: args.texts("export"),
        };
  return {
    member,
    isVm: args.has("vm"),
    group: args.text("group"),
    services: args.texts("service"),
    ttl: args.text("ttl"),
    uses: args.text("uses"),
    from: args.texts("from"),
  };
}

function print({ text, record }: CreatedToken, { out, err }: Terminal): void {
  const times = record.uses === 1 ? "once" : `for ${counted(record.uses, "VM")}`;
  const from = record.from.length === 0 ? "" : `, from ${record.from.join(", ")}`;
  const next =
    record.grant.t === "vm"
      ? "isthmus vm join --agent HOST:PORT --token-file FILE"
      : "isthmus join --agent HOST:PORT --token-file FILE";
  err(
    `Token ${record.id}: ${boundTo(record.grant)}, ${times}${from}, until ${instant(record.expiresAtMs)}\n`,
  );
  err(`There: ${next}\n`);
  out(`${text.reveal()}\n`);
}

function jsonOf({ text, record, rootSpkiSha256 }: CreatedToken): object {
  const { id, grant, createdAtMs, expiresAtMs, uses, from } = record;
  return { token: text.reveal(), id, grant, createdAtMs, expiresAtMs, uses, from, rootSpkiSha256 };
}
