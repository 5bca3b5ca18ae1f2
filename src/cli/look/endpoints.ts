import type { EndpointAnswer, EndpointsAnswer } from "../../app/api-model.ts";
import { agentOption, askAgent } from "../agent-api.ts";
import { type Command, exitCodes, jsonOption } from "../command.ts";
import { counted, keptOutText, placeOf, stateCell } from "../print/phrases.ts";
import { printJson } from "../print/print-json.ts";
import { type Cell, type Column, table } from "../print/table.ts";

const columns: readonly Column[] = [
  { title: "TRY", align: "right" },
  { title: "MEMBER" },
  { title: "ZONE", isOptional: true },
  { title: "ADDRESS" },
  { title: "VIA" },
  { title: "HEALTH" },
  { title: "SHARE", align: "right" },
  { title: "WHY", isElastic: true },
];

export const endpoints: Command = {
  name: "endpoints",
  usage: "NAMESPACE/NAME [--port N] [--from MEMBER[/ZONE]] [--agent URL] [--json]",
  about:
    "Lists where a sidecar of this member tries a service, in order. TRY is the priority: the next one is\n" +
    "used when too little of the ones before is healthy. --from asks for the view of another place; for\n" +
    "another member that is an estimate out of the catalog, and it says what is known and what assumed.",
  options: {
    ...agentOption,
    ...jsonOption,
    from: { type: "string", hint: "MEMBER[/ZONE]", about: "the caller's member and zone" },
    port: { type: "string", hint: "N", about: "the service port (default: all)" },
  },
  positionals: { min: 1, max: 1 },
  run: async (args, terminal) => {
    const query = new URLSearchParams({ service: args.positionals[0] ?? "" });
    for (const name of ["from", "port"]) {
      const value = args.text(name);
      if (value !== undefined) query.set(name, value);
    }
    const path = `/api/v1/endpoints?${query.toString()}`;
    const answer = await askAgent<{ ports: EndpointsAnswer[] }>(path, { args, terminal });
    if (args.has("json")) printJson(answer, terminal);
    else for (const port of answer.ports) terminal.out(page(port, terminal));
    return exitCodes.done;
  },
};

function page(answer: EndpointsAnswer, terminal: Parameters<typeof table>[2]): string {
  const { member, zone } = answer.from;
  const head = `${answer.host}:${answer.port} from ${placeOf(member, zone)}\n`;
  const lines =
    answer.endpoints.length === 0
      ? "  no endpoints\n"
      : table(columns, answer.endpoints.map(row), terminal);
  const kept = answer.keptOut.map((one) => `  ${keptOutText(one)}\n`).join("");
  return `${head}${lines}${kept}${basis(answer)}\n`;
}

function basis({ isEstimate, from, known, assumed }: EndpointsAnswer): string {
  if (!isEstimate) return "";
  return [
    `  an estimate; the agent of ${from.member} knows better`,
    ...known.map((line) => `  known    ${line}`),
    ...assumed.map((line) => `  assumed  ${line}`),
    "",
  ].join("\n");
}

function row(endpoint: EndpointAnswer): (Cell | string)[] {
  return [
    String(endpoint.priority + 1),
    endpoint.member,
    // Proxies know zones as member/zone; here the member stands beside it.
    endpoint.zone.slice(endpoint.zone.indexOf("/") + 1) || "-",
    endpoint.count === undefined ? endpoint.address : counted(endpoint.count, "endpoint"),
    { text: endpoint.via, tone: endpoint.via === "plaintext" ? "warn" : "plain" },
    stateCell(endpoint.health),
    `${Math.round(endpoint.share * 100)} %`,
    { text: endpoint.why, tone: "quiet" },
  ];
}
