import type { Endpoint, ExportTerms, LocalService, ServicePort } from "../../../mesh/service.ts";
import { worseHealth } from "../endpoint-health.ts";
import type { KubeEndpoint, KubeService, KubeSlice } from "../objects/kube-objects.ts";

/** The objects that make up one service of this member. */
export interface ServiceObjects {
  readonly service: KubeService;
  readonly slices: readonly KubeSlice[];
  readonly exported?: ExportTerms;
}

/** One service as the mesh sees it; undefined for an ExternalName service, which has no workloads. */
export function localServiceOf(objects: ServiceObjects): LocalService | undefined {
  const { service, slices, exported } = objects;
  if (service.type === "external") return undefined;
  return {
    id: service.id,
    type: service.type === "headless" ? "Headless" : "ClusterSetIP",
    ports: service.ports,
    endpoints: endpointsOf(service, slices),
    ...(service.clusterIps.length === 0 ? {} : { clusterIps: service.clusterIps }),
    ...(exported === undefined ? {} : { exported }),
    ...(service.selects === undefined ? {} : { selects: service.selects }),
    ...service.traffic,
  };
}

/** Sorted, so that the same state has the same content whatever the order of files and slices. */
function endpointsOf(service: KubeService, slices: readonly KubeSlice[]): Endpoint[] {
  const byWorkload = new Map<string, Endpoint[]>();
  for (const slice of oneFamilyEach(service, slices)) {
    const ports = targetPorts(service.ports, slice);
    for (const found of slice.endpoints) {
      const key = `${found.workload} ${found.address}`;
      const endpoint = endpointOf(found, { ports, slice, service });
      byWorkload.set(key, withEndpoint(byWorkload.get(key) ?? [], endpoint));
    }
  }
  return [...byWorkload.values()]
    .flat()
    .sort((a, b) => compareText(a.workload, b.workload) || compareText(a.address, b.address));
}

/**
 * A dual-stack workload stands in one slice per family. It counts once, by the service's first
 * family: twice, it would weigh double against single-stack ones.
 */
function oneFamilyEach(service: KubeService, slices: readonly KubeSlice[]): readonly KubeSlice[] {
  const primary = slices.filter(({ family }) => family === service.primaryFamily);
  const named = new Set(
    primary.flatMap(({ endpoints }) => endpoints.map(({ workload }) => workload)),
  );
  const secondary = slices
    .filter(({ family }) => family !== service.primaryFamily)
    .map((slice) => ({
      ...slice,
      endpoints: slice.endpoints.filter(({ workload }) => !named.has(workload)),
    }));
  return [...primary, ...secondary];
}

/** A slice's port stands for the service port of the same name and protocol. */
function targetPorts(ports: readonly ServicePort[], slice: KubeSlice): Record<string, number> {
  const targets: Record<string, number> = {};
  for (const { name, protocol } of ports) {
    const target = slice.ports.find((port) => port.name === name && port.protocol === protocol);
    if (target !== undefined) targets[name] = target.port;
  }
  return targets;
}

interface EndpointContext {
  readonly ports: Readonly<Record<string, number>>;
  readonly slice: KubeSlice;
  readonly service: KubeService;
}

function endpointOf(found: KubeEndpoint, { ports, slice, service }: EndpointContext): Endpoint {
  // A slice may speak for one version of the service only, so it knows better.
  const serviceAccount =
    found.serviceAccount ?? slice.workloads.serviceAccount ?? service.workloads.serviceAccount;
  const probe = slice.workloads.probe ?? service.workloads.probe;
  return {
    workload: found.workload,
    address: found.address,
    ports,
    zone: found.zone,
    health: found.health,
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
    ...(found.isUnowned === true ? { isUnowned: true } : {}),
    ...(found.hostname === undefined ? {} : { hostname: found.hostname }),
    ...(probe === undefined ? {} : { probe }),
  };
}

/**
 * An endpoint may move from slice to slice and stand in two meanwhile; then the worse news counts. One
 * with another port is another process: pods on the host's network share its address.
 */
function withEndpoint(known: readonly Endpoint[], endpoint: Endpoint): Endpoint[] {
  const twin = known.find(({ ports }) => isSameProcess(ports, endpoint.ports));
  if (twin === undefined) return [...known, endpoint];
  const ports = { ...endpoint.ports, ...twin.ports };
  const joined = { ...twin, ports, health: worseHealth(twin.health, endpoint.health) };
  return known.map((each) => (each === twin ? joined : each));
}

function isSameProcess(a: Endpoint["ports"], b: Endpoint["ports"]): boolean {
  return Object.entries(a).every(([name, port]) => (b[name] ?? port) === port);
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
