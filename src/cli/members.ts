import type { MemberAnswer } from "../app/api-model.ts";
import { agentOption, askAgent } from "./agent-api.ts";
import { type Command, exitCodes, jsonOption } from "./command.ts";
import { rttOf, spanOf, stateCell } from "./phrases.ts";
import { type Cell, type Column, table } from "./table.ts";

const columns: readonly Column[] = [
  { title: "MEMBER", isElastic: true },
  { title: "CLOUD", isOptional: true },
  { title: "REGION", isElastic: true },
  { title: "STATE" },
  { title: "EXPORTS", align: "right" },
  { title: "RTT", align: "right" },
  { title: "HEARD", align: "right" },
  { title: "GATEWAYS", isElastic: true },
];

export const members: Command = {
  name: "members",
  usage: "[--agent URL] [--json]",
  about:
    "Lists the members of the charter as this agent sees them. `live`: its control plane beats and its\n" +
    "gateway answers; `stale`: only the gateway does; `unreachable`: only the control plane; `down`: neither.",
  options: { ...agentOption, ...jsonOption },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const answer = await askAgent<{ members: MemberAnswer[] }>("/api/v1/members", {
      args,
      terminal,
    });
    const text = args.has("json")
      ? `${JSON.stringify(answer, null, 2)}\n`
      : table(columns, answer.members.map(row), terminal);
    terminal.out(text);
    return exitCodes.done;
  },
};

function row(member: MemberAnswer): (Cell | string)[] {
  const isSelf = member.state === "self";
  return [
    member.name,
    member.cloud,
    member.region,
    stateCell(member.standing === "active" ? member.state : member.standing),
    String(member.exports),
    rttOf(member.rttMs),
    isSelf ? "-" : spanOf(member.ageMs),
    {
      text: gateways(member),
      tone: member.gateways.some((one) => !one.isAlive) ? "warn" : "plain",
    },
  ];
}

function gateways(member: MemberAnswer): string {
  const shown = member.gateways.map(({ address, isAlive }) =>
    isAlive ? address : `${address} (silent)`,
  );
  return shown.length === 0 ? "none" : shown.join(", ");
}
