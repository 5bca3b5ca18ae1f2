import { setTimeout as wait } from "node:timers/promises";
import type { LeaveAnswer, LeaveMemberAnswer } from "../../app/api-model.ts";
import { MeshError } from "../../mesh/errors.ts";
import { agentOption, askAgent, changeAtAgent } from "../agent-api.ts";
import { type Command, exitCodes, jsonOption } from "../command.ts";
import { printJson } from "../print/print-json.ts";

export const leave: Command = {
  name: "leave",
  usage: "[--limit SECONDS] [--stay] [--agent URL] [--json]",
  about:
    "Takes this member out of the mesh in good order: withdraws all that it exports, and waits until every other\n" +
    "member has confirmed that none of its proxies is led here. Then its gateways, sidecars and agent can be\n" +
    "stopped, in this order. An agent that starts again, or --stay, is back as it was.",
  options: {
    limit: {
      type: "string",
      hint: "SECONDS",
      about: "how long to wait for the others (default: 60)",
    },
    stay: { type: "boolean", about: "take it back" },
    ...agentOption,
    ...jsonOption,
  },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const asked = { args, terminal };
    if (args.has("stay")) {
      await changeAtAgent<LeaveAnswer>("/api/v1/stay", asked);
      terminal.out("This member stays: its exports are back\n");
      return exitCodes.done;
    }
    const limitMs = limitIn(args.text("limit"));
    let answer = await changeAtAgent<LeaveAnswer>("/api/v1/leave", asked);
    const endMs = Date.now() + limitMs;
    const told = new Set<string>();
    const tell = ({ members }: LeaveAnswer): void => {
      for (const { name } of members.filter(
        (one) => one.state === "confirmed" && !told.has(one.name),
      )) {
        told.add(name);
        if (!args.has("json"))
          terminal.out(`${name} has confirmed (${told.size} of ${members.length})\n`);
      }
    };
    tell(answer);
    while (missingIn(answer).length > 0 && Date.now() < endMs) {
      await wait(pauseMs);
      answer = await askAgent<LeaveAnswer>("/api/v1/leave", asked);
      tell(answer);
    }
    if (args.has("json")) printJson(answer, terminal);
    else terminal.out(lastWords(answer));
    return missingIn(answer).length === 0 ? exitCodes.done : exitCodes.failed;
  },
};

const pauseMs = 250;
const defaultLimitSeconds = 60;
const maxLimitSeconds = 86_400;

function limitIn(written: string | undefined): number {
  const seconds = written === undefined ? defaultLimitSeconds : Number(written);
  if (seconds >= 1 && seconds <= maxLimitSeconds) return seconds * 1000;
  throw new MeshError(
    "MESH_USAGE",
    `Cannot use --limit "${written}": it is not 1 to ${maxLimitSeconds} seconds`,
  );
}

function missingIn({ members }: LeaveAnswer): readonly LeaveMemberAnswer[] {
  return members.filter(({ state }) => state !== "confirmed");
}

function lastWords(answer: LeaveAnswer): string {
  const missing = missingIn(answer);
  if (missing.length === 0) {
    return "Nobody is led here any more. Stop the gateways, the sidecars and then the agent;\nwhoever has the root then takes the name out: isthmus member deny NAME\n";
  }
  const names = missing.map(({ name, state }) => `  ${name}: ${reasons[state]}\n`).join("");
  return `Not confirmed by:\n${names}The exports stay withdrawn: run it again to wait on, or isthmus leave --stay\n`;
}

const reasons: Readonly<Record<LeaveMemberAnswer["state"], string>> = {
  asked: "its proxies have not all taken it over yet",
  silent: "its control plane is not heard; what it sends nevertheless finds closed doors",
  confirmed: "",
};
