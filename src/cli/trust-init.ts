import { makeRoot } from "../app/trust-tasks.ts";
import { type Command, exitCodes, jsonOption } from "./command.ts";

export const trustInit: Command = {
  name: "trust init",
  usage: "--mesh DOMAIN --dir D [--json]",
  about:
    "Makes the root of a new mesh: root.pem, root.key, bundle.pem and charter.json (number 1, no members).\n" +
    "Keep the folder offline: whoever has root.key can add members. Only issuing members needs it again.",
  options: {
    mesh: { type: "string", hint: "DOMAIN", about: "e.g. acme.mesh", required: true },
    dir: { type: "string", hint: "D", about: "an empty or new folder", required: true },
    ...jsonOption,
  },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const mesh = args.text("mesh") ?? "";
    const made = await makeRoot({ mesh, dir: args.text("dir") ?? "" });
    if (args.has("json")) terminal.out(`${JSON.stringify({ mesh, ...made }, null, 2)}\n`);
    else {
      const until = new Date(made.notAfterMs).toISOString().slice(0, 10);
      terminal.out(
        `Made the root of ${mesh} in ${made.dir}, valid until ${until}\n` +
          `  fingerprint ${made.sha256}\n` +
          `Next: isthmus trust issue member NAME --dir ${made.dir} --out NAME-trust --export NAMESPACE\n`,
      );
    }
    return exitCodes.done;
  },
};
