import { formatHostPort } from "../../../mesh/address.ts";
import { MeshError } from "../../../mesh/errors.ts";
import { parseServiceId, type ServiceId } from "../../../mesh/ids.ts";
import { hostOf } from "../../../mesh/names.ts";
import { type EndpointLine, endpointOrder } from "../../../proxy/levels/endpoint-order.ts";
import type { EndpointAnswer, EndpointsAnswer } from "../../api-model.ts";
import type { HttpQuery } from "../../http-server.ts";
import { didYouMean } from "../../nearest.ts";
import type { AgentView } from "../agent-view.ts";
import { type ElsewhereLine, endpointsElsewhere } from "./endpoints-elsewhere.ts";
import { keptOutOf } from "./kept-out.ts";

/** `isthmus endpoints`. Throws MESH_NOT_FOUND and MESH_ID_INVALID. */
export function endpointsOf(view: AgentView, query: HttpQuery): readonly EndpointsAnswer[] {
  const id = parseServiceId(query.text("service") ?? "");
  const from = placeOf(query.text("from") ?? defaultPlace(view));
  const isHere = from.member === view.config.member.name;
  const { lines, known, assumed } = isHere
    ? { lines: linesHere(view, { id, zone: from.zone }), known: [], assumed: [] }
    : endpointsElsewhere(view, { id, ...from });
  const wanted = query.text("port");
  const byTarget = new Map<string, EndpointsAnswer & { endpoints: EndpointAnswer[] }>();
  for (const line of lines) {
    const { target } = line;
    if (wanted !== undefined && String(target.port) !== wanted) continue;
    const key = `${hostOf(target)}:${target.port}`;
    const answer = byTarget.get(key) ?? {
      service: id,
      port: target.port,
      host: hostOf(target),
      from,
      isEstimate: !isHere,
      known,
      assumed,
      keptOut: isHere ? keptOutOf(view, id) : [],
      endpoints: [],
    };
    byTarget.set(key, answer);
    answer.endpoints.push(endpointOf(line));
  }
  return [...byTarget.values()];
}

function endpointOf(line: ElsewhereLine): EndpointAnswer {
  const { priority, level, member, region, zone, via, health, share, why, count } = line;
  const address =
    count === undefined ? formatHostPort({ host: line.address, port: line.port }) : "";
  const place = { priority, level, member, region, zone, address };
  return { ...place, via, health, share, why, ...(count === undefined ? {} : { count }) };
}

function linesHere(
  view: AgentView,
  of: { readonly id: ServiceId; readonly zone: string },
): readonly EndpointLine[] {
  const { core } = view;
  const service = core.resources.service(of.id);
  if (service !== undefined) return endpointOrder(service, core.resources.viewer(of.zone));
  const [kept] = keptOutOf(view, of.id);
  if (kept !== undefined) {
    const policies = kept.policies.map((name) => `"${name}"`).join(", ");
    throw new MeshError(
      "MESH_NOT_FOUND",
      `Cannot find service "${of.id}": ${kept.member} exports it, and is kept out by import policy ${policies}`,
    );
  }
  const known = [...core.resources.services()].map(({ id }) => id);
  throw new MeshError(
    "MESH_NOT_FOUND",
    `Cannot find service "${of.id}": nobody offers it here${didYouMean(of.id, known)}`,
  );
}

/** Where most callers of this member stand. */
function defaultPlace({ core, config }: AgentView): string {
  const callers = [...(core.resources.viewer("").callers ?? [])];
  const [zone] = callers.sort(([, left], [, right]) => right - left)[0] ?? [""];
  return `${config.member.name}/${zone}`;
}

function placeOf(text: string): EndpointsAnswer["from"] {
  const [member = "", ...rest] = text.split("/");
  return { member, zone: rest.join("/") };
}
