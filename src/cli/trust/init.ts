import { makeRoot } from "../../app/trust-tasks.ts";
import { MeshError } from "../../mesh/errors.ts";
import { type Arguments, type Command, exitCodes, jsonOption } from "../command.ts";

export const trustInit: Command = {
  name: "trust init",
  usage: "--mesh DOMAIN --dir D [--module SO --token LABEL --pin-file F [--key LABEL]] [--json]",
  about:
    "Makes the root of a new mesh: root.pem, root.key, bundle.pem and charter.json (number 1, no members).\n" +
    "Keep the folder offline: whoever has root.key can add members. Only issuing members needs it again.\n" +
    "With --module and --token, the key is made in a PKCS#11 token and never leaves it; root.token.json says where.",
  options: {
    mesh: { type: "string", hint: "DOMAIN", about: "e.g. acme.mesh", required: true },
    dir: { type: "string", hint: "D", about: "an empty or new folder", required: true },
    module: { type: "string", hint: "SO", about: "the PKCS#11 library of the token's vendor" },
    token: { type: "string", hint: "LABEL", about: "the token that holds the root's key" },
    key: {
      type: "string",
      hint: "LABEL",
      about: "of the key pair; made where there is none (default: isthmus-root)",
    },
    "pin-file": { type: "string", hint: "F", about: "holds the user's PIN alone; 0600" },
    ...jsonOption,
  },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const mesh = args.text("mesh") ?? "";
    const made = await makeRoot({ mesh, dir: args.text("dir") ?? "", ...tokenIn(args) });
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

function tokenIn(args: Arguments): Pick<Parameters<typeof makeRoot>[0], "token"> {
  const [module, token] = [args.text("module"), args.text("token")];
  if (module === undefined && token === undefined) return {};
  if (module === undefined || token === undefined) {
    throw new MeshError("MESH_USAGE", "Cannot use token: --module and --token belong together");
  }
  return {
    token: {
      module,
      token,
      key: args.text("key") ?? "isthmus-root",
      pinFile: args.text("pin-file"),
    },
  };
}
