import type { GatewayAnswer, MemberAnswer } from "../../app/api-model.ts";
import { didYouMean } from "../../app/nearest.ts";
import { MeshError } from "../../mesh/errors.ts";
import { agentOption, askAgent } from "../agent-api.ts";
import { type Command, exitCodes, jsonOption } from "../command.ts";
import { rttOf, spanOf, stateCell } from "../print/phrases.ts";
import { printJson } from "../print/print-json.ts";
import { type Cell, type Column, table } from "../print/table.ts";

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

const gatewayColumns: readonly Column[] = [
  { title: "GATEWAY" },
  { title: "NAME", isElastic: true },
  { title: "ZONE" },
  { title: "STATE" },
  { title: "RTT", align: "right" },
  { title: "RESOLVED", align: "right" },
  { title: "LAST ERROR", isElastic: true },
];

export const members: Command = {
  name: "members",
  usage: "[MEMBER] [--agent URL] [--json]",
  about:
    "Lists the members of the charter as this agent sees them. `live`: its control plane beats and its\n" +
    "gateway answers; `stale`: only the gateway does; `unreachable`: only the control plane; `down`: neither.\n" +
    "With a MEMBER, lists each address of its gateways.",
  options: { ...agentOption, ...jsonOption },
  positionals: { min: 0, max: 1 },
  run: async (args, terminal) => {
    const answer = await askAgent<{ members: MemberAnswer[] }>("/api/v1/members", {
      args,
      terminal,
    });
    const [name] = args.positionals;
    const chosen = name === undefined ? answer.members : [memberIn(answer.members, name)];
    if (args.has("json")) printJson({ members: chosen }, terminal);
    else terminal.out(table(columns, chosen.map(row), terminal));
    if (name !== undefined && !args.has("json")) {
      const gateways = chosen.flatMap((member) => member.gateways.map(gatewayRow));
      if (gateways.length > 0) terminal.out(`\n${table(gatewayColumns, gateways, terminal)}`);
    }
    return exitCodes.done;
  },
};

function memberIn(members: readonly MemberAnswer[], name: string): MemberAnswer {
  const found = members.find((member) => member.name === name);
  if (found !== undefined) return found;
  const known = members.map((member) => member.name);
  const hint = didYouMean(name, known);
  throw new MeshError(
    "MESH_NOT_FOUND",
    `Cannot show member "${name}": the charter does not have it${hint}`,
  );
}

function gatewayRow(gateway: GatewayAnswer): (Cell | string)[] {
  const { address, name, zone, state, rttMs, resolvedMs, lastError } = gateway;
  return [
    address,
    address.includes(name) ? "-" : name,
    zone ?? "-",
    stateCell(state),
    rttOf(rttMs),
    resolvedMs === undefined ? "-" : `${spanOf(resolvedMs)} ago`,
    lastError === undefined ? "-" : `${lastError.reason}, ${spanOf(lastError.agoMs)} ago`,
  ];
}

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

const quietStates: ReadonlySet<GatewayAnswer["state"]> = new Set(["live", "unknown", "unheard"]);

function gateways(member: MemberAnswer): string {
  const shown = member.gateways.map(({ address, state }) =>
    quietStates.has(state) ? address : `${address} (${state})`,
  );
  return shown.length === 0 ? "none" : shown.join(", ");
}
