import type { HeldAnswer } from "../../app/api-model.ts";
import { agentOption, askAgent, changeAtAgent } from "../agent-api.ts";
import { type Command, exitCodes, jsonOption } from "../command.ts";
import { counted, spanOf } from "../print/phrases.ts";
import { printJson } from "../print/print-json.ts";

export const catalogConfirm: Command = {
  name: "catalog confirm",
  usage: "[CODE] [--agent URL] [--json]",
  about:
    "An agent holds withdrawals for ten minutes when more than half of its exports vanish at once: an unmounted\n" +
    "folder looks like that. Without a CODE, lists what is held and its code; with it, lets exactly that go\n" +
    "now. Works on the machine of the agent alone.",
  options: { ...agentOption, ...jsonOption },
  positionals: { min: 0, max: 1 },
  run: async (args, terminal) => {
    const [code] = args.positionals;
    const asked = { args, terminal };
    if (code !== undefined) {
      const path = `/api/v1/catalog/confirm?${new URLSearchParams({ code }).toString()}`;
      const answer = await changeAtAgent<{ confirmed: number }>(path, asked);
      if (args.has("json")) printJson(answer, terminal);
      else terminal.out(`${counted(answer.confirmed, "export")} withdrawn\n`);
      return exitCodes.done;
    }
    const answer = await askAgent<{ held?: HeldAnswer }>("/api/v1/catalog/held", asked);
    if (args.has("json")) printJson(answer, terminal);
    else terminal.out(page(answer.held));
    return exitCodes.done;
  },
};

function page(held: HeldAnswer | undefined): string {
  if (held === undefined) return "nothing is held\n";
  const { services, forMs, code } = held;
  const lines = services.map((service) => `  ${service}\n`).join("");
  const head = `${counted(services.length, "export")} vanished at once and are still published, for ${spanOf(forMs)} more:\n`;
  return `${head}${lines}Bring them back, or let them go now: isthmus catalog confirm ${code}\n`;
}
