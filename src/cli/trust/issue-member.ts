import { makeMember } from "../../app/trust-tasks.ts";
import { type Command, exitCodes, jsonOption } from "../command.ts";

export const trustIssueMember: Command = {
  name: "trust issue member",
  usage: "NAME --dir D --out E [--cloud C] [--region R] [--export NS]… [OPTIONS]",
  about:
    "Enters a member into the charter, whose number rises, and writes what its agent needs to E: member.pem,\n" +
    "member.key, bundle.pem, charter.json. What is said here is all that the member may ever claim.\n" +
    "Other agents learn the new charter from the catalog.",
  options: {
    dir: { type: "string", hint: "D", about: "the root's folder", required: true },
    out: { type: "string", hint: "E", about: "an empty or new folder", required: true },
    cloud: { type: "string", hint: "C", about: "aws, azure, gcp, … (default: onprem)" },
    region: { type: "string", hint: "R", about: "default: a region of its own" },
    network: {
      type: "string",
      hint: "N",
      about: "members of one network reach each other's workloads directly (default: NAME)",
    },
    "gateway-range": {
      type: "string",
      hint: "CIDR",
      about: "where its gateways and endpoints may be (default: any routable address)",
      multiple: true,
    },
    export: {
      type: "string",
      hint: "NS",
      about: "a namespace it may export; * is all (default: none)",
      multiple: true,
    },
    renew: { type: "boolean", about: "replace the entry and the issuer of a member that exists" },
    ...jsonOption,
  },
  positionals: { min: 1, max: 1 },
  run: async (args, terminal) => {
    const made = await makeMember({
      name: args.positionals[0] ?? "",
      dir: args.text("dir") ?? "",
      out: args.text("out") ?? "",
      cloud: args.text("cloud"),
      region: args.text("region"),
      network: args.text("network"),
      gatewayRanges: args.texts("gateway-range"),
      mayExport: args.texts("export"),
      renew: args.has("renew"),
    });
    if (args.has("json")) terminal.out(`${JSON.stringify(made, null, 2)}\n`);
    else {
      const until = new Date(made.notAfterMs).toISOString().slice(0, 10);
      const exported = args.texts("export").join(", ") || "nothing (see --export)";
      terminal.out(
        `Issued member ${made.member} into ${made.dir}, valid until ${until}\n` +
          `  charter number ${made.number}; may export ${exported}\n`,
      );
    }
    return exitCodes.done;
  },
};
