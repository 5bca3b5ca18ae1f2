import type { HubAnswer, StatusAnswer } from "../../app/api-model.ts";
import { agentOption, askAgent } from "../agent-api.ts";
import { type Command, exitCodes, jsonOption, type Terminal } from "../command.ts";
import { kubernetesRows } from "../print/kubernetes-rows.ts";
import { counted, spanOf } from "../print/phrases.ts";
import { printJson } from "../print/print-json.ts";
import { type Cell, painted } from "../print/table.ts";

export const status: Command = {
  name: "status",
  usage: "[--agent URL] [--json]",
  about: "Says how this agent is: what it knows, whom it serves, what it complains about.",
  options: { ...agentOption, ...jsonOption },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const answer = await askAgent<StatusAnswer>("/api/v1/status", { args, terminal });
    if (args.has("json")) printJson(answer, terminal);
    else terminal.out(page(answer, terminal));
    return exitCodes.done;
  },
};

function page(answer: StatusAnswer, terminal: Terminal): string {
  const rows: readonly (readonly [string, Cell])[] = [
    ["member", { text: `${answer.member} of ${answer.mesh}` }],
    ["agent", { text: `isthmus ${answer.version}, up ${spanOf(answer.upMs)}` }],
    ["serves proxies", warmth(answer)],
    ["charter", { text: `number ${answer.charterNumber}` }],
    ...rotationRows(answer),
    ["catalog", catalog(answer)],
    ...hubRows(answer),
    ...heldRows(answer),
    ...replicaRows(answer),
    ["members", { text: membersLine(answer) }],
    ...gatewayRows(answer),
    ["services", { text: servicesLine(answer) }],
    ["proxies", proxies(answer)],
    ...kubernetesRows(answer),
    ["findings", findings(answer)],
  ];
  return rows
    .map(([title, cell]) => {
      const head = painted({ text: title.padEnd(16), tone: "quiet" }, terminal);
      return `${head}${painted(cell, terminal)}\n`;
    })
    .join("");
}

function rotationRows({ rotation }: StatusAnswer): readonly (readonly [string, Cell])[] {
  if (rotation === undefined) return [];
  const { step, waitsFor } = rotation;
  const waits = waitsFor.length === 0 ? "waits for nobody" : `waits for ${waitsFor.join(", ")}`;
  return [["root", { text: `is being rotated: ${step}, ${waits}`, tone: "warn" }]];
}

function warmth(answer: StatusAnswer): Cell {
  return answer.isWarm
    ? { text: "yes", tone: "good" }
    : { text: `not yet: waiting for ${answer.waitingFor.join(", ")}`, tone: "warn" };
}

function catalog({ catalog: { store, state, epoch, seq, hubs, heldBy } }: StatusAnswer): Cell {
  const position = epoch === undefined ? "" : `, epoch ${epoch} seq ${seq ?? 0}`;
  const synced = hubs.filter((hub) => hub.state === "synced").length;
  if (state === "standby") {
    return { text: `standby: ${heldBy?.host ?? "another replica"} writes for this member` };
  }
  const where = hubs.length === 1 ? `${store}: ${state}` : `${synced}/${hubs.length} hubs synced`;
  return { text: `${where}${position}`, tone: synced === hubs.length ? "plain" : "warn" };
}

/** One line per hub, and none for a catalog in memory that is well. */
function hubRows({ catalog: { hubs } }: StatusAnswer): readonly (readonly [string, Cell])[] {
  const [only] = hubs;
  if (hubs.length === 1 && isWell(only?.state) && only?.server === undefined) return [];
  return hubs.map((hub) => {
    const isQuiet = isWell(hub.state) && hub.refusal === undefined;
    const tone = isQuiet ? "plain" : hub.state === "unreachable" ? "bad" : "warn";
    return ["  hub", { text: hubLine(hub), tone }];
  });
}

function heldRows({ catalog: { held } }: StatusAnswer): readonly (readonly [string, Cell])[] {
  if (held === undefined) return [];
  const { services, forMs, code } = held;
  const text = `${counted(services.length, "export")} vanished at once, still published for ${spanOf(forMs)}; if that is meant: isthmus catalog confirm ${code}`;
  return [["  held", { text, tone: "bad" }]];
}

function hubLine({ name, state, forMs, lastError, refusal, server }: HubAnswer): string {
  const at = server === undefined ? "" : `, server ${server.address} for ${spanOf(server.forMs)}`;
  const line = `${name}: ${state} for ${spanOf(forMs)}${at}`;
  if (refusal !== undefined) return `${line}; refuses the credentials of now: ${refusal}`;
  if (lastError === undefined) return line;
  return `${line}; last error ${spanOf(lastError.agoMs)} ago: ${lastError.reason}`;
}

function isWell(state: string | undefined): boolean {
  return state === "synced" || state === "standby";
}

function replicaRows({
  catalog: { replicas },
}: StatusAnswer): readonly (readonly [string, Cell])[] {
  return replicas.map(({ address, isReachable, forMs }) => {
    const text = `${address}: ${isReachable ? "answers" : "does not answer"}, for ${spanOf(forMs)}`;
    return ["  replica", { text, tone: isReachable ? "plain" : "warn" }];
  });
}

function membersLine(answer: StatusAnswer): string {
  const states = Object.entries(answer.members).filter(([, count]) => count > 0);
  return states.length === 0
    ? "no other"
    : states.map(([state, count]) => `${count} ${state}`).join(", ");
}

const maxGatewayRows = 5;

function gatewayRows({ silentGateways }: StatusAnswer): readonly (readonly [string, Cell])[] {
  const shown = silentGateways.slice(0, maxGatewayRows).map((gateway): [string, Cell] => {
    return ["  gateway", { text: silenceLine(gateway), tone: "warn" }];
  });
  const left = silentGateways.length - shown.length;
  return left === 0 ? shown : [...shown, ["", { text: `and ${left} more (isthmus members)` }]];
}

function silenceLine(gateway: StatusAnswer["silentGateways"][number]): string {
  const { member, address, name, state, lastError } = gateway;
  const at = address.includes(name) ? address : `${name} (${address})`;
  return `${at} of ${member}: ${state}${lastError === undefined ? "" : `, ${lastError.reason}`}`;
}

function servicesLine({ services: { local, exported, remote } }: StatusAnswer): string {
  return `${local} here (${exported} exported), ${remote} of other members`;
}

function proxies({ proxies: { sidecars, gateways, programs, refusing } }: StatusAnswer): Cell {
  const own = `${counted(sidecars, "sidecar")}, ${counted(gateways, "gateway")}`;
  const text = programs === 0 ? own : `${own}, ${counted(programs, "gRPC program")}`;
  return refusing === 0
    ? { text }
    : { text: `${text}; ${refusing} refuse what they were told (isthmus proxy list)`, tone: "bad" };
}

function findings({ findings: { error, warning, info } }: StatusAnswer): Cell {
  if (error + warning + info === 0) return { text: "none", tone: "good" };
  const parts = [counted(error, "error"), counted(warning, "warning"), `${info} info`];
  return {
    text: `${parts.join(", ")} (isthmus check)`,
    tone: error > 0 ? "bad" : warning > 0 ? "warn" : "plain",
  };
}
