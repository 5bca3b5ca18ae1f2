import type { ServiceAnswer } from "../../app/api-model.ts";
import { visibleJson } from "../../mesh/visible.ts";
import { agentOption, askAgent } from "../agent-api.ts";
import { type Command, exitCodes, jsonOption } from "../command.ts";
import { healthyOf, keptOutText } from "../print/phrases.ts";
import { type Cell, type Column, table } from "../print/table.ts";

const columns: readonly Column[] = [
  { title: "SERVICE", isElastic: true },
  { title: "PORTS", isElastic: true },
  { title: "EXPORTED" },
  { title: "HERE", align: "right" },
  { title: "SIDECARS", align: "right" },
  { title: "ELSEWHERE", isElastic: true },
];

export const services: Command = {
  name: "services",
  usage: "[--agent URL] [--json]",
  about:
    "Lists services with healthy/all workloads in this member and in others. SIDECARS counts workloads\n" +
    "behind a proven sidecar: only those serve other members.",
  options: { ...agentOption, ...jsonOption },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const answer = await askAgent<{ services: ServiceAnswer[] }>("/api/v1/services", {
      args,
      terminal,
    });
    const text = args.has("json")
      ? `${visibleJson(answer)}\n`
      : table(columns, answer.services.map(row), terminal);
    terminal.out(text);
    return exitCodes.done;
  },
};

function row(service: ServiceAnswer): (Cell | string)[] {
  const { local } = service;
  const ports = service.ports.map(({ name, port }) =>
    name === "" ? `${port}` : `${name}:${port}`,
  );
  const isUnproven = local !== undefined && service.isExported && local.proven < local.total;
  return [
    service.service,
    ports.join(" "),
    service.isExported ? "yes" : { text: "no", tone: "quiet" },
    local === undefined ? { text: "-", tone: "quiet" } : healthyOf(local),
    { text: local === undefined ? "-" : String(local.proven), tone: isUnproven ? "warn" : "plain" },
    elsewhere(service),
  ];
}

function elsewhere({ remotes, keptOut }: ServiceAnswer): Cell {
  const used = remotes.map(
    ({ member, healthy, total, isUsable }) =>
      `${member} ${healthy}/${total}${isUsable ? "" : " (not used)"}`,
  );
  const shown = [...used, ...keptOut.map(keptOutText)];
  const isBad = remotes.some(({ isUsable, healthy }) => !isUsable || healthy === 0);
  return { text: shown.join(", ") || "-", tone: isBad ? "warn" : "plain" };
}
