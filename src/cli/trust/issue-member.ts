import { makeMember } from "../../app/trust-tasks.ts";
import { type Command, exitCodes, jsonOption } from "../command.ts";
import { printJson } from "../print/print-json.ts";
import { memberOptions, memberWords } from "./member-options.ts";

export const trustIssueMember: Command = {
  name: "trust issue member",
  usage: "NAME --dir D --out E [--cloud C] [--region R] [--export NS]… [OPTIONS]",
  about:
    "Enters a member into the charter, whose number rises, and writes what its agent needs to E: member.pem,\n" +
    "member.key, bundle.pem, charter.json. What is said here is all that the member may ever claim.\n" +
    "Other agents learn the new charter from the catalog.",
  options: {
    ...memberOptions,
    ...jsonOption,
  },
  positionals: { min: 1, max: 1 },
  run: async (args, terminal) => {
    const made = await makeMember(memberWords(args));
    if (args.has("json")) printJson(made, terminal);
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
