import { createServiceZone, type ServiceZone } from "../../../discovery/dns/service-zone.ts";
import type { Name } from "../../../discovery/dns/wire.ts";
import { isLoopback } from "../../../mesh/address.ts";
import type { SidecarUpstream } from "../../config/config.ts";

/** Both names of a service lead to its sidecar, which prefers what is near. */
export const upstreamZones: readonly Name[] = [
  ["cluster", "local"],
  ["clusterset", "local"],
];

/** Whether a program that knows no more than the service's name and port gets to this upstream by them. */
export function isNamed({ port, listen }: SidecarUpstream): boolean {
  return listen.port === port && isLoopback(listen.host);
}

/**
 * What a VM's names lead to: the local address at which an upstream listens under the service's own port.
 * Upstreams that listen elsewhere have no name; a service that has none of the others does not exist here.
 */
export function zoneOfUpstreams(upstreams: readonly SidecarUpstream[]): ServiceZone {
  const zone = createServiceZone();
  const byService = Map.groupBy(upstreams.filter(isNamed), ({ service }) => service);
  for (const [service, all] of byService) {
    const ips = [...new Set(all.map(({ listen }) => listen.host))];
    zone.set(service, { type: "ClusterSetIP", ports: [], ips, workloads: [] });
  }
  return zone;
}
