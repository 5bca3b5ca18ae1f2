import { importTheMember } from "../../app/federation/import-tasks.ts";
import { type Command, exitCodes, jsonOption } from "../command.ts";
import { printJson } from "../print/print-json.ts";
import { importedText } from "./imported-text.ts";
import { memberOptions, memberWords } from "./member-options.ts";

export const trustImportMember: Command = {
  name: "trust import member",
  usage: "NAME --chain F --key F --dir D --out E [--exception WHY] [OPTIONS]",
  about:
    "Enters a member whose issuer another authority certified: SPIRE, or a company's CA. The issuer has to be bound\n" +
    "to its member by path length and name constraints, and is tried first; the authority's root joins the charter's\n" +
    "bundle. Writes what the member's agent needs to E. Isthmus does not renew such an issuer: bring the next one\n" +
    "into the agent's trust.dir, with --renew.",
  options: {
    chain: {
      type: "string",
      hint: "F",
      about: "PEM: the issuer, what stands above it, and its root at the end",
      required: true,
    },
    key: { type: "string", hint: "F", about: "its key, PKCS#8 on P-256, 0600", required: true },
    exception: { type: "string", hint: "WHY", about: "why an unconstrained root is taken" },
    ...memberOptions,
    ...jsonOption,
  },
  positionals: { min: 1, max: 1 },
  run: async (args, terminal) => {
    const made = await importTheMember({
      ...memberWords(args),
      chainFile: args.text("chain") ?? "",
      keyFile: args.text("key") ?? "",
      exception: args.text("exception"),
    });
    if (args.has("json")) printJson(made, terminal);
    else terminal.out(importedText("member's issuer", made));
    return exitCodes.done;
  },
};
