import type { Endpoint, LocalService } from "../../mesh/service.ts";
import type { WorkloadGroup } from "../../mesh/workload-group.ts";
import { healthOf, type Registered } from "./registered.ts";
import { targetPorts } from "./selection.ts";

/** What the workloads of one group are to one service; ordered, so that the same ones give the same. */
export function registeredEndpoints(
  service: Pick<LocalService, "ports" | "selects">,
  from: {
    readonly group: WorkloadGroup;
    readonly entries: readonly Registered[];
    readonly nowMs: number;
  },
): readonly Endpoint[] {
  const { group, nowMs } = from;
  const ports = targetPorts(service, group);
  if (Object.keys(ports).length === 0) return [];
  return from.entries
    .flatMap((entry): (readonly [string, Endpoint])[] => {
      const health = healthOf(entry, { group, nowMs });
      if (health === undefined || entry.serviceAccount !== group.serviceAccount) return [];
      const endpoint: Endpoint = {
        workload: entry.name,
        address: entry.address,
        ports,
        zone: entry.zone === "" ? group.zone : entry.zone,
        health,
        serviceAccount: entry.serviceAccount,
        // Whoever registers may name any address: only its own leads whoever dials it to this service.
        ...(entry.isOwnAddress ? {} : { isUnowned: true }),
      };
      return [[entry.key, endpoint]];
    })
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, endpoint]) => endpoint);
}
