import type { RemoteExport } from "../../../discovery/mesh-service.ts";
import type { LocalService } from "../../../mesh/service.ts";
import type { ServiceAnswer } from "../../api-model.ts";
import type { AgentView } from "../agent-view.ts";
import { keptOutOf, keptOutService } from "./kept-out.ts";

/** `isthmus services` */
export function servicesOf(view: AgentView): readonly ServiceAnswer[] {
  const { core } = view;
  const used = [...core.resources.services()];
  const ids = new Set(used.map(({ id }) => id));
  const unused = core.mesh.services().filter((id) => !ids.has(id));
  return used
    .map(
      (service): ServiceAnswer => ({
        service: service.id,
        type: service.type,
        ports: service.ports.map(({ name, port, protocol }) => ({ name, port, protocol })),
        isExported: service.local?.exported !== undefined,
        isShared: service.isLocalNameShared,
        local: service.local === undefined ? undefined : localCount(service.local),
        remotes: service.remotes.map(remoteCount),
        keptOut: keptOutOf(view, service.id),
      }),
    )
    .concat(unused.flatMap((id) => keptOutService(view, id)))
    .sort((left, right) => (left.service < right.service ? -1 : 1));
}

function localCount(local: LocalService): NonNullable<ServiceAnswer["local"]> {
  return {
    healthy: local.endpoints.filter(({ health }) => health === "healthy").length,
    total: local.endpoints.length,
    proven: local.endpoints.filter(({ sidecars }) => sidecars !== undefined).length,
  };
}

function remoteCount(remote: RemoteExport): ServiceAnswer["remotes"][number] {
  const sum = (field: "healthy" | "total"): number =>
    remote.zones.reduce((total, zone) => total + zone[field], 0);
  return {
    member: remote.member,
    healthy: sum("healthy"),
    total: sum("total"),
    isUsable: remote.isUsable,
  };
}
