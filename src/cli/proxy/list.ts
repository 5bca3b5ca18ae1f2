import type { ProxyAnswer } from "../../app/api-model.ts";
import { visibleJson } from "../../mesh/visible.ts";
import { agentOption, askAgent } from "../agent-api.ts";
import { type Command, exitCodes, jsonOption } from "../command.ts";
import { spanOf } from "../print/phrases.ts";
import { type Cell, type Column, table } from "../print/table.ts";

const columns: readonly Column[] = [
  { title: "PROXY" },
  { title: "ENGINE", isOptional: true },
  { title: "ZONE", isElastic: true },
  { title: "SINCE", align: "right" },
  { title: "CLUSTERS", align: "right" },
  { title: "LISTENERS", align: "right", isOptional: true },
  { title: "CONFIG", isElastic: true },
];

export const proxyList: Command = {
  name: "proxy list",
  usage: "[--agent URL] [--json]",
  about: "Lists the proxies connected to this agent and whether they took what they were told.",
  options: { ...agentOption, ...jsonOption },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const answer = await askAgent<{ proxies: ProxyAnswer[] }>("/api/v1/proxies", {
      args,
      terminal,
    });
    const text = args.has("json")
      ? `${visibleJson(answer)}\n`
      : table(columns, answer.proxies.map(row), terminal);
    terminal.out(text);
    return exitCodes.done;
  },
};

function row(proxy: ProxyAnswer): (Cell | string)[] {
  const count = (type: string): string =>
    String(proxy.types.find((each) => each.type === type)?.held ?? 0);
  return [
    proxy.node,
    proxy.engine,
    proxy.zone === "" ? "-" : proxy.zone,
    spanOf(proxy.connectedMs),
    count("cluster"),
    count("listener"),
    config(proxy),
  ];
}

function config(proxy: ProxyAnswer): Cell {
  const nack = proxy.types.find(({ refused }) => refused > 0);
  if (nack !== undefined) {
    return { text: `refuses ${nack.refused} of ${nack.type}: ${nack.lastNack ?? ""}`, tone: "bad" };
  }
  if (proxy.isStuck) return { text: "takes no bytes", tone: "bad" };
  const unanswered = proxy.types.reduce((sum, type) => sum + type.unanswered, 0);
  return unanswered === 0
    ? { text: "in step", tone: "good" }
    : { text: `${unanswered} not answered yet`, tone: "warn" };
}
