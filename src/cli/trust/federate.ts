import { federateInFolder, unfederateInFolder } from "../../app/federation/federate-tasks.ts";
import { agentOption, documentOfAgent } from "../agent-api.ts";
import { type Command, exitCodes, jsonOption } from "../command.ts";
import { handOver } from "../member/standing.ts";
import { printJson } from "../print/print-json.ts";

export const trustFederate: Command = {
  name: "trust federate",
  usage: "TRUST-DOMAIN --dir ROOT (--bundle FILE [--url URL] [--allow ID=NS/SA]… | --remove)",
  about:
    "Lets identities of a foreign trust domain be known: another mesh's member, or SPIRE. Its roots count for its\n" +
    "own names alone, and none of its identities may call anything that --allow does not say. Said again, it\n" +
    "replaces what was said before. Signs the new charter in the root's folder and hands it to any agent.",
  options: {
    dir: { type: "string", hint: "ROOT", about: "the root's folder", required: true },
    bundle: {
      type: "string",
      hint: "FILE",
      about: "its roots, brought by a way that you trust: PEM, or JWKS as its endpoint serves it",
    },
    url: { type: "string", hint: "URL", about: "where agents fetch newer ones (default: nowhere)" },
    profile: { type: "string", hint: "P", about: "https_web or https_spiffe" },
    "endpoint-id": {
      type: "string",
      hint: "ID",
      about: "the SPIFFE ID of an https_spiffe endpoint",
    },
    allow: {
      type: "string",
      hint: "ID=NS/SA",
      about: "this identity may call workloads of that service account, in every member",
      multiple: true,
    },
    remove: { type: "boolean", about: "put it out again" },
    ...agentOption,
    ...jsonOption,
  },
  positionals: { min: 1, max: 1 },
  run: async (args, terminal) => {
    const trustDomain = args.positionals[0] ?? "";
    const dir = args.text("dir") ?? "";
    const asked = { args, terminal };
    const folder = { dir, newest: await documentOfAgent("/api/v1/charter", asked) };
    const charter = args.has("remove")
      ? await unfederateInFolder(trustDomain, folder)
      : await federateInFolder(
          {
            trustDomain,
            bundleFile: args.text("bundle") ?? "",
            url: args.text("url"),
            profile: args.text("profile"),
            endpointId: args.text("endpoint-id"),
            allow: args.texts("allow"),
          },
          folder,
        );
    const answer = await handOver(charter, { ...asked, dir });
    if (args.has("json")) printJson(answer, terminal);
    else {
      const done = args.has("remove") ? `Put out ${trustDomain}` : `Let ${trustDomain} in`;
      const may =
        args.has("remove") || args.texts("allow").length > 0
          ? ""
          : "; it may call nothing yet (see --allow)";
      terminal.out(
        `${done}: charter ${answer.number} is in force here and on its way to all members${may}\n`,
      );
    }
    return exitCodes.done;
  },
};
