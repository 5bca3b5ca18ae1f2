import type { LoadAnswer } from "../../app/api-model.ts";
import { MeshError } from "../../mesh/errors.ts";
import { visibleJson } from "../../mesh/visible.ts";
import { agentOption, askAgent } from "../agent-api.ts";
import { type Arguments, type Command, exitCodes, jsonOption, type Terminal } from "../command.ts";
import { pause, runLivePage } from "../print/live-page.ts";
import { topPage } from "../print/top-page.ts";

const everyMs = 1000;

export const top: Command = {
  name: "top",
  usage: "[NAMESPACE/NAME] [--seconds N] [--once] [--agent URL] [--json]",
  about:
    "Shows the traffic that proxies of this member report, per service and locality of the upstream, each\n" +
    "second until q or Ctrl-C. /S counts connections begun, or requests where the proxy speaks HTTP. OK is\n" +
    "the share that did not fail. CONNECT is the time until a connection stands, handshake included; FIRST\n" +
    "BYTE the time from then to the first byte back. A locality `X gateways` is another member, `for others`\n" +
    "is what other members send here. Where output is no terminal one page is printed; --json prints one\n" +
    "object per second and line, or one object with --once.",
  options: {
    ...agentOption,
    ...jsonOption,
    once: { type: "boolean", about: "print what is now and end" },
    seconds: {
      type: "string",
      hint: "N",
      about: "what rates are taken over (default 10, up to 900)",
    },
  },
  positionals: { min: 0, max: 1 },
  run: async (args, terminal) => {
    const { screen } = terminal;
    if (args.has("json")) await printJson(args, terminal);
    else if (args.has("once") || screen === undefined) {
      terminal.out(topPage(await ask(args, terminal), terminal));
    } else {
      const { isColourful } = terminal;
      const draw = async (): Promise<string> =>
        topPage(await ask(args, terminal), { ...screen(), isColourful });
      await runLivePage({ draw: keptOnSilence(draw), everyMs }, terminal);
    }
    return exitCodes.done;
  },
};

function ask(args: Arguments, terminal: Terminal): Promise<LoadAnswer> {
  const query = new URLSearchParams();
  const [service] = args.positionals;
  if (service !== undefined) query.set("service", service);
  const seconds = args.text("seconds");
  if (seconds !== undefined) query.set("seconds", seconds);
  return askAgent<LoadAnswer>(`/api/v1/load?${query.toString()}`, { args, terminal });
}

async function printJson(args: Arguments, terminal: Terminal): Promise<void> {
  if (args.has("once")) {
    terminal.out(`${visibleJson(await ask(args, terminal))}\n`);
    return;
  }
  while (terminal.isClosed?.() !== true) {
    terminal.out(`${visibleJson(await ask(args, terminal), 0)}\n`);
    await pause(everyMs);
  }
}

/** An agent that restarts must not end the page of who watches it; one that never answered does. */
function keptOnSilence(draw: () => Promise<string>): () => Promise<string> {
  let last: string | undefined;
  return async () => {
    try {
      last = await draw();
      return last;
    } catch (thrown) {
      const isSilent = thrown instanceof MeshError && thrown.code === "MESH_UNREACHABLE";
      if (!isSilent || last === undefined) throw thrown;
      return `the agent does not answer; this is what it said last\n${last}`;
    }
  };
}
