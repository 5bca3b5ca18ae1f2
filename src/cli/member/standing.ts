import type { CharterAnswer } from "../../app/api-model.ts";
import {
  type FolderCharter,
  type StandingVerb,
  standByAgent,
  standInFolder,
} from "../../app/member/root-tasks.ts";
import { MeshError } from "../../mesh/errors.ts";
import { agentOption, changeAtAgent, documentOfAgent } from "../agent-api.ts";
import { type Arguments, type Command, exitCodes, jsonOption, type Terminal } from "../command.ts";
import { optionalConfig } from "../config-option.ts";
import { printJson } from "../print/print-json.ts";
import { agentConfigIn } from "../token/agent-config-option.ts";

/** `member deny` and `member allow`. */
export function standingCommand(said: {
  readonly verb: StandingVerb;
  readonly about: string;
  readonly done: (name: string) => string;
}): Command {
  const { verb, about, done } = said;
  return {
    name: `member ${verb}`,
    usage: "NAME (--config FILE | --dir ROOT) [--agent URL] [--json]",
    about,
    options: {
      config: { ...optionalConfig, about: "agent.yaml of an agent with trust.signer" },
      dir: { type: "string", hint: "ROOT", about: "the root's folder, where no agent may use it" },
      ...agentOption,
      ...jsonOption,
    },
    positionals: { min: 1, max: 1 },
    run: async (args, terminal) => {
      const name = args.positionals[0] ?? "";
      const dir = args.text("dir");
      if ((dir === undefined) === (args.text("config") === undefined)) {
        throw new MeshError("MESH_USAGE", `Cannot ${verb}: name either --config or --dir`);
      }
      const asked = { args, terminal };
      const config = dir === undefined ? agentConfigIn(args, terminal) : undefined;
      if (dir === undefined && config === undefined) return exitCodes.config;
      const answer = await inTries(async () => {
        // What an agent has may be newer than what is on disk.
        const newest = await documentOfAgent("/api/v1/charter", asked);
        const words = { verb, name, newest };
        const made =
          config === undefined
            ? await standInFolder({ ...words, dir: dir ?? "" })
            : await standByAgent(config, words);
        return await handOver(made, { ...asked, dir });
      });
      if (args.has("json")) printJson(answer, terminal);
      else {
        terminal.out(
          `${done(name)}: charter ${answer.number} is in force here and on its way to all members\n` +
            "See it arrive: isthmus members\n",
        );
      }
      return exitCodes.done;
    },
  };
}

const maxTries = 3;

/** Somebody joins at the same moment: the same again on top of that. */
async function inTries(run: () => Promise<CharterAnswer>): Promise<CharterAnswer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await run();
    } catch (thrown) {
      const isRace = thrown instanceof MeshError && thrown.code === "MESH_TRUST_CHARTER_CONFLICT";
      if (!isRace || tries === maxTries) throw thrown;
    }
  }
}

interface Asked {
  readonly args: Arguments;
  readonly terminal: Terminal;
}

/** Gives a charter to an agent, which gives it to all. Throws as `changeAtAgent`, and says what to do then. */
export async function handOver(
  charter: FolderCharter,
  asked: Asked & { readonly dir: string | undefined },
): Promise<CharterAnswer> {
  const { dir, ...rest } = asked;
  try {
    return await changeAtAgent<CharterAnswer>("/api/v1/charter", { ...rest, body: charter.file });
  } catch (thrown) {
    if (!(thrown instanceof MeshError) || dir === undefined) throw thrown;
    throw new MeshError(
      thrown.code,
      `${thrown.message}\nCharter ${charter.number} lies in ${dir}, and no member knows it yet: isthmus trust publish --dir ${dir}`,
      { cause: thrown },
    );
  }
}
