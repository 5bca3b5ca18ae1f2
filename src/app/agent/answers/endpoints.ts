import { formatHostPort } from "../../../mesh/address.ts";
import { MeshError } from "../../../mesh/errors.ts";
import { parseServiceId } from "../../../mesh/ids.ts";
import { hostOf } from "../../../mesh/names.ts";
import { endpointOrder } from "../../../proxy/levels/endpoint-order.ts";
import type { EndpointAnswer, EndpointsAnswer } from "../../api-model.ts";
import type { AgentConfig } from "../../config/config.ts";
import type { HttpQuery } from "../../http-server.ts";
import { didYouMean } from "../../nearest.ts";
import type { AgentView } from "../agent-view.ts";

/** `isthmus endpoints`. Throws MESH_NOT_FOUND, MESH_USAGE and MESH_ID_INVALID. */
export function endpointsOf(view: AgentView, query: HttpQuery): readonly EndpointsAnswer[] {
  const { core, config } = view;
  const id = parseServiceId(query.text("service") ?? "");
  const service = core.resources.service(id);
  if (service === undefined) {
    const known = [...core.resources.services()].map((one) => one.id);
    throw new MeshError(
      "MESH_NOT_FOUND",
      `Cannot find service "${id}": nobody offers it here${didYouMean(id, known)}`,
    );
  }
  const from = placeOf(query.text("from") ?? defaultPlace(view), config);
  const wanted = query.text("port");
  const lines = endpointOrder(service, core.resources.viewer(from.zone)).filter(
    ({ target }) => wanted === undefined || String(target.port) === wanted,
  );
  const byTarget = new Map<string, EndpointsAnswer & { endpoints: EndpointAnswer[] }>();
  for (const line of lines) {
    const { target } = line;
    const key = `${hostOf(target)}:${target.port}`;
    const known = byTarget.get(key) ?? {
      service: id,
      port: target.port,
      host: hostOf(target),
      from,
      endpoints: [],
    };
    byTarget.set(key, known);
    known.endpoints.push({
      priority: line.priority,
      level: line.level,
      member: line.member,
      region: line.region,
      zone: line.zone,
      address: formatHostPort({ host: line.address, port: line.port }),
      via: line.via,
      health: line.health,
      share: line.share,
      why: line.why,
    });
  }
  return [...byTarget.values()];
}

/** Where most callers of this member stand. */
function defaultPlace({ core, config }: AgentView): string {
  const callers = [...(core.resources.viewer("").callers ?? [])];
  const [zone] = callers.sort(([, left], [, right]) => right - left)[0] ?? [""];
  return `${config.member.name}/${zone}`;
}

function placeOf(text: string, config: AgentConfig): EndpointsAnswer["from"] {
  const [member = "", ...rest] = text.split("/");
  const zone = rest.join("/");
  if (member === config.member.name) return { member, zone };
  throw new MeshError(
    "MESH_USAGE",
    `Cannot look from "${text}": this agent speaks for ${config.member.name}; ask the agent of that member`,
  );
}
