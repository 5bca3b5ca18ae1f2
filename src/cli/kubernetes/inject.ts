import { loadAgentConfig } from "../../app/config/load-config.ts";
import { injectFile } from "../../app/install/inject-file.ts";
import { type Command, exitCodes } from "../command.ts";
import { configOption, exitCodeOf } from "../config-option.ts";

export const inject: Command = {
  name: "inject",
  usage: "-f FILE --config AGENT_YAML",
  about:
    "Prints manifests with a sidecar in their pods, as the agent's webhook would put it there; nothing is sent\n" +
    "anywhere. Pods that have one, or say isthmus.dev/inject: disabled, stay as they are.",
  options: {
    ...configOption,
    file: {
      type: "string",
      hint: "FILE",
      about: "manifests; - is the standard input",
      required: true,
      short: "f",
    },
  },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const parsed = loadAgentConfig(args.text("config") ?? "");
    if (parsed.t === "invalid") {
      return exitCodeOf({ t: "misconfigured", problems: parsed.problems }, terminal);
    }
    const { text, remarks } = await injectFile(args.text("file") ?? "", parsed.config);
    for (const remark of remarks) terminal.err(`${remark}\n`);
    terminal.out(text);
    return exitCodes.done;
  },
};
