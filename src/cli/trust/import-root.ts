import { importTheRoot } from "../../app/federation/import-tasks.ts";
import { type Command, exitCodes, jsonOption } from "../command.ts";
import { printJson } from "../print/print-json.ts";
import { importedText } from "./imported-text.ts";

export const trustImportRoot: Command = {
  name: "trust import root",
  usage: "--mesh DOMAIN --cert F --key F --dir D [--exception WHY] [--json]",
  about:
    "Makes a mesh whose root was made elsewhere, by a company's CA for one. Tries it first: certifies a member and\n" +
    "an identity, and verifies both as peers would. A root whose name constraints do not keep it inside the mesh\n" +
    "can certify any name: it is taken only with --exception, which the charter and isthmus check say for ever.",
  options: {
    mesh: { type: "string", hint: "DOMAIN", about: "acme.mesh", required: true },
    cert: { type: "string", hint: "F", about: "the root's certificate, PEM", required: true },
    key: { type: "string", hint: "F", about: "its key, PKCS#8 on P-256, 0600", required: true },
    dir: { type: "string", hint: "D", about: "an empty or new folder", required: true },
    exception: { type: "string", hint: "WHY", about: "why an unconstrained root is taken" },
    ...jsonOption,
  },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const made = await importTheRoot({
      mesh: args.text("mesh") ?? "",
      chainFile: args.text("cert") ?? "",
      keyFile: args.text("key") ?? "",
      dir: args.text("dir") ?? "",
      exception: args.text("exception"),
    });
    if (args.has("json")) printJson(made, terminal);
    else terminal.out(importedText("root", made));
    return exitCodes.done;
  },
};
