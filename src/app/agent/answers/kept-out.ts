import type { KeptOut } from "../../../discovery/merge/mesh-view.ts";
import type { ServiceId } from "../../../mesh/ids.ts";
import type { KeptOutAnswer, ServiceAnswer } from "../../api-model.ts";
import type { AgentView } from "../agent-view.ts";

/** Who exports a service and does not join it here, because of import policies. */
export function keptOutOf({ core }: AgentView, id: ServiceId): readonly KeptOutAnswer[] {
  return core.mesh.keptOut(id).map(({ member, record, policies }) => {
    const sum = (field: "healthy" | "total"): number =>
      record.zones.reduce((total, zone) => total + zone[field], 0);
    return { member, healthy: sum("healthy"), total: sum("total"), policies };
  });
}

/** A service that policies leave to nobody, as the first of those who export it has it. */
export function keptOutService(view: AgentView, id: ServiceId): readonly ServiceAnswer[] {
  const [first]: readonly KeptOut[] = view.core.mesh.keptOut(id);
  if (first === undefined) return [];
  const { type, ports } = first.record;
  return [
    {
      service: id,
      type,
      ports: ports.map(({ name, port, protocol }) => ({ name, port, protocol })),
      isExported: false,
      isShared: true,
      local: undefined,
      remotes: [],
      keptOut: keptOutOf(view, id),
    },
  ];
}
