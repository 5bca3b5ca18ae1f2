import type { RemoteExport } from "../../discovery/mesh-service.ts";
import type { Place } from "../../mesh/locality.ts";
import { proxyZone } from "../../mesh/locality.ts";
import type { Endpoint, LocalService, ServicePort } from "../../mesh/service.ts";
import { overprovisioningFactor } from "../settings.ts";
import { atPort, portOf } from "../targets.ts";
import type { Viewer } from "../viewer.ts";
import type { PlannedHost, PlannedLocality } from "./plan.ts";
import { endpointWeight, isHealthy } from "./plan.ts";
import { zoneShares } from "./zone-shares.ts";

// Shares of the own zones; only their ratios count, and 1/1000 keeps an idle zone ready to take over.
const zoneWeightScale = 1_000;

/** The own member: plaintext where no sidecar is proven, weighted by the caller's fair share. */
export function ownLocalities(
  local: LocalService,
  options: { readonly port: ServicePort; readonly viewer: Viewer },
): PlannedLocality[] {
  const { viewer } = options;
  const port = portOf(local.ports, options.port);
  if (port === undefined) return [];
  const zones = byZone(local.endpoints, (endpoint) => hostAt(endpoint, port));
  const healthy = new Map(
    [...zones].map(([zone, hosts]) => [zone, hosts.filter(isHealthy).length]),
  );
  const shares = isStrictlyClose(local, healthy.get(viewer.zone) ?? 0)
    ? new Map([[viewer.zone, 1]])
    : zoneShares(healthy, viewer);
  return [...zones].map(([zone, hosts]) => {
    const share = (shares.get(zone) ?? 0) * zoneWeightScale;
    return localityOf(viewer, { zone, hosts, weight: share / availability(hosts) });
  });
}

/** Kubernetes `trafficDistribution`: the service's owner asks for the own zone as long as it lives. */
function isStrictlyClose(local: LocalService, healthyInZone: number): boolean {
  const isAsked = ["PreferClose", "PreferSameZone", "PreferSameNode"].includes(
    local.trafficDistribution ?? "",
  );
  return isAsked && healthyInZone > 0;
}

/** Another member of the same network: its workloads themselves. */
export function directLocalities(remote: RemoteExport, port: ServicePort): PlannedLocality[] {
  const theirs = portOf(remote.ports, port);
  if (theirs === undefined) return [];
  const localities = provenLocalities(remote, { endpoints: remote.endpoints, port: theirs });
  return localities.map((locality) => {
    const hosts = locality.hosts.map((host) => scaled(host, remote));
    // Not from the hosts' present health: where death is only inferred and taken back, this counts.
    return { ...locality, hosts, weight: Math.max(1, Math.round(locality.weight * remote.share)) };
  });
}

/** Only what stands behind a proven sidecar, zones weighted by what is healthy in them. */
export function provenLocalities(
  place: Pick<Place, "member" | "region">,
  options: { readonly endpoints: readonly Endpoint[]; readonly port: ServicePort },
): PlannedLocality[] {
  const zones = byZone(options.endpoints, (endpoint) => {
    const host = hostAt(endpoint, options.port);
    return host?.via.t === "direct" && host.via.hasSidecar ? host : undefined;
  });
  return [...zones].map(([zone, hosts]) =>
    localityOf(place, { zone, hosts, weight: healthyWeight(hosts) }),
  );
}

function healthyWeight(hosts: readonly PlannedHost[]): number {
  const sum = hosts.filter(isHealthy).reduce((total, host) => total + host.weight, 0);
  return Math.max(1, Math.round(sum / availability(hosts)));
}

function scaled(host: PlannedHost, remote: RemoteExport): PlannedHost {
  const weight = Math.max(1, Math.round(host.weight * remote.share));
  if (remote.isUsable || !isHealthy(host)) return { ...host, weight };
  const held: PlannedHost = { ...host, weight, health: "unhealthy", isInferredDead: true };
  return remote.isReturning ? { ...held, health: "draining", isReturning: true } : held;
}

function byZone(
  endpoints: readonly Endpoint[],
  toHost: (endpoint: Endpoint) => PlannedHost | undefined,
): Map<string, PlannedHost[]> {
  const zones = new Map<string, PlannedHost[]>();
  for (const endpoint of endpoints) {
    const host = toHost(endpoint);
    if (host === undefined) continue;
    const hosts = zones.get(endpoint.zone);
    if (hosts === undefined) zones.set(endpoint.zone, [host]);
    else hosts.push(host);
  }
  return new Map([...zones].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function hostAt(endpoint: Endpoint, port: ServicePort): PlannedHost | undefined {
  const sidecar = atPort(endpoint.sidecars, port.name);
  const targetPort = sidecar?.port ?? atPort(endpoint.ports, port.name);
  if (targetPort === undefined) return undefined;
  return {
    address: sidecar?.address ?? endpoint.address,
    port: targetPort,
    health: endpoint.health,
    weight: endpointWeight,
    via: { t: "direct", workload: endpoint.workload, hasSidecar: sidecar !== undefined },
  };
}

/** The part of a locality's weight that a proxy lets count; dividing by it gives exact shares. */
export function availability(hosts: readonly PlannedHost[]): number {
  const healthy = hosts.filter(isHealthy).length;
  return healthy === 0 ? 1 : Math.min(1, (overprovisioningFactor / 100) * (healthy / hosts.length));
}

function localityOf(
  place: Pick<Place, "member" | "region">,
  part: { readonly zone: string; readonly hosts: readonly PlannedHost[]; readonly weight: number },
): PlannedLocality {
  return {
    member: place.member,
    region: place.region,
    zone: proxyZone({ member: place.member, zone: part.zone }),
    weight: Math.max(1, Math.round(part.weight)),
    hosts: part.hosts,
  };
}
