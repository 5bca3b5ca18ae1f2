import type { ProxyConfigAnswer } from "../../app/api-model.ts";
import { visibleJson } from "../../mesh/visible.ts";
import { agentOption, askAgent } from "../agent-api.ts";
import { type Command, exitCodes, jsonOption } from "../command.ts";
import { type Column, table } from "../print/table.ts";

const columns: readonly Column[] = [
  { title: "TYPE" },
  { title: "NAME", isElastic: true },
  { title: "VERSION" },
  { title: "STATE" },
];

export const proxyConfig: Command = {
  name: "proxy config",
  usage: "NODE [--type T] [--agent URL] [--json]",
  about:
    "Lists what a proxy was told; with --json the resources themselves, as Envoy prints them.\n" +
    "NODE is a name of `isthmus proxy list`, or as much of it as only one proxy has: cart-1.",
  options: {
    ...agentOption,
    ...jsonOption,
    type: { type: "string", hint: "T", about: "cluster, endpoint, secret, listener or route" },
  },
  positionals: { min: 1, max: 1 },
  run: async (args, terminal) => {
    const node = args.positionals[0] ?? "";
    const path = `/api/v1/proxies/${encodeURIComponent(node)}/config`;
    const answer = await askAgent<ProxyConfigAnswer>(path, { args, terminal });
    const type = args.text("type");
    const resources = answer.resources.filter((each) => type === undefined || each.type === type);
    const text = args.has("json")
      ? `${visibleJson({ ...answer, resources })}\n`
      : table(
          columns,
          resources.map((each) => [
            each.type,
            each.name,
            each.version.slice(0, 12),
            { text: each.state, tone: each.state === "acked" ? "good" : "warn" },
          ]),
          terminal,
        );
    terminal.out(text);
    return exitCodes.done;
  },
};
