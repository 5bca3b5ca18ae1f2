import { runAgent } from "../../app/agent/run-agent.ts";
import { type JoinedMember, joinMesh } from "../../app/member/join/join-mesh.ts";
import { type Arguments, type Command, exitCodes, jsonOption, type Terminal } from "../command.ts";
import { exitCodeOf } from "../config-option.ts";
import { printJson } from "../print/print-json.ts";

export const join: Command = {
  name: "join",
  usage: "--agent HOST:PORT[,…] --token-file F [--dir D] [--start] [OPTIONS]",
  about:
    "Makes this machine's folder the agent of a new member: its key, which is made here and stays here, its\n" +
    "intermediate, the charter and agent.yaml. The agent that is asked has to have trust.signer, and the token\n" +
    "(isthmus token create --member) is shown to it only when the token's root vouches for it; no hub takes part.\n" +
    "Run it again as often as you like: a folder that joined stays as it is, an interrupted join goes on.",
  options: {
    agent: {
      type: "string",
      hint: "HOST:PORT,…",
      about: "xDS port of the agents of the member that made the token",
      required: true,
    },
    "token-file": { type: "string", hint: "F", about: "holds the token; needed once" },
    dir: { type: "string", hint: "D", about: "the new agent's folder (default: .)" },
    member: { type: "string", hint: "NAME", about: "refuse a token for another member" },
    hub: {
      type: "string",
      hint: "URL",
      about: "a Redis of the mesh, for agent.yaml (default: those of the agent that is asked)",
      multiple: true,
    },
    gateway: {
      type: "string",
      hint: "HOST:PORT",
      about: "where others reach this member's gateway, for agent.yaml",
      multiple: true,
    },
    xds: { type: "string", hint: "HOST:PORT", about: "for agent.yaml (default: 0.0.0.0:15012)" },
    http: { type: "string", hint: "HOST:PORT", about: "for agent.yaml (default: 127.0.0.1:15080)" },
    start: { type: "boolean", about: "run the agent then, as isthmus agent does" },
    ...jsonOption,
  },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const joined = await joinMesh(wordsIn(args, terminal));
    if (args.has("json")) printJson(joined, terminal);
    // The agent's log is what standard output is for then.
    else (args.has("start") ? terminal.err : terminal.out)(page(joined, args.has("start")));
    if (!args.has("start")) return exitCodes.done;
    return exitCodeOf(await runAgent(joined.config), terminal);
  },
};

function wordsIn(args: Arguments, { err }: Terminal): Parameters<typeof joinMesh>[0] {
  return {
    agent: args.text("agent") ?? "",
    tokenFile: args.text("token-file"),
    dir: args.text("dir") ?? ".",
    member: args.text("member"),
    hubs: args.texts("hub"),
    gateways: args.texts("gateway"),
    xds: args.text("xds"),
    http: args.text("http"),
    warn: (sentence) => err(`${sentence}\n`),
  };
}

function page(joined: JoinedMember, isStarted: boolean): string {
  const { member, mesh, charter, issuerEndsMs, from, config, isConfigNew, missing } = joined;
  const until = new Date(issuerEndsMs).toISOString().slice(0, 10);
  const how = from === "token" ? "joined" : "is a member already of";
  const files = missing.map((file) => `Put there first: ${file}\n`).join("");
  const next = isStarted ? "" : `Start it: isthmus agent --config ${config}\n`;
  return (
    `${member} ${how} ${mesh}, charter ${charter}; its intermediate is valid until ${until}\n` +
    `${isConfigNew ? "Wrote" : "Left as it was:"} ${config}\n${files}${next}`
  );
}
