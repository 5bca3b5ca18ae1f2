import type { CharterAnswer } from "../../app/api-model.ts";
import { denyInFolder, type FolderCharter } from "../../app/member/root-tasks.ts";
import { MeshError } from "../../mesh/errors.ts";
import { agentOption, changeAtAgent, documentOfAgent } from "../agent-api.ts";
import { type Arguments, type Command, exitCodes, jsonOption, type Terminal } from "../command.ts";
import { printJson } from "../print/print-json.ts";

export const memberDeny: Command = {
  name: "member deny",
  usage: "NAME [--dir ROOT] [--agent URL] [--json]",
  about:
    "Puts a member out: its records, its certificates and its connections are refused everywhere within seconds,\n" +
    "and what is connected is cut. Only the root can say so. Without --dir, asks an agent on this machine that\n" +
    "has trust.signer; with the root's folder, signs the new charter here and hands it to any agent. Envoys end\n" +
    "the other TCP connections of their sidecars, too: they cannot tell whose each is.",
  options: {
    dir: {
      type: "string",
      hint: "ROOT",
      about: "the root's folder, where no agent may use the root",
    },
    ...agentOption,
    ...jsonOption,
  },
  positionals: { min: 1, max: 1 },
  run: async (args, terminal) => {
    const name = args.positionals[0] ?? "";
    const dir = args.text("dir");
    const answer =
      dir === undefined
        ? await changeAtAgent<CharterAnswer>(`/api/v1/members/${encodeURIComponent(name)}/deny`, {
            args,
            terminal,
          })
        : await denyOffline({ name, dir }, { args, terminal });
    if (args.has("json")) printJson(answer, terminal);
    else {
      terminal.out(
        `Denied ${name}: charter ${answer.number} is in force here and on its way to all members\n` +
          "See it arrive: isthmus members\n",
      );
    }
    return exitCodes.done;
  },
};

interface Asked {
  readonly args: Arguments;
  readonly terminal: Terminal;
}

async function denyOffline(
  words: { readonly name: string; readonly dir: string },
  asked: Asked,
): Promise<CharterAnswer> {
  // What an agent has may be newer than a folder.
  const newest = await documentOfAgent("/api/v1/charter", asked);
  return await handOver(await denyInFolder({ ...words, newest }), { ...asked, dir: words.dir });
}

/** Gives a charter to an agent, which gives it to all. Throws as `changeAtAgent`, and says what to do then. */
export async function handOver(
  charter: FolderCharter,
  asked: Asked & { readonly dir: string },
): Promise<CharterAnswer> {
  const { dir, ...rest } = asked;
  try {
    return await changeAtAgent<CharterAnswer>("/api/v1/charter", { ...rest, body: charter.file });
  } catch (thrown) {
    if (!(thrown instanceof MeshError)) throw thrown;
    throw new MeshError(
      thrown.code,
      `${thrown.message}\nCharter ${charter.number} lies in ${dir}, and no member knows it yet: isthmus trust publish --dir ${dir}`,
      { cause: thrown },
    );
  }
}
