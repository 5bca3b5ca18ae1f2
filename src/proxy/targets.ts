import type { MeshService, RemoteExport } from "../discovery/mesh-service.ts";
import type { ServiceSuffix, ServiceTarget } from "../mesh/names.ts";
import type { LocalService, ServicePort } from "../mesh/service.ts";

/** One port of one service under one name, and who stands behind it for proxies of this member. */
export interface TargetPlan {
  readonly target: ServiceTarget;
  readonly port: ServicePort;
  readonly local?: LocalService;
  readonly remotes: readonly RemoteExport[];
}

/**
 * Every name and TCP port under which proxies of this member can call the service. Import rules:
 * a service that is only local keeps `cluster.local` to itself; `clusterset.local` is what the mesh
 * exports, the own endpoints included only when the own service is exported.
 */
export function targetsOf(service: MeshService): TargetPlan[] {
  const ports = service.ports.filter((port) => port.protocol === "TCP");
  return ports.flatMap((port) =>
    suffixesOf(service).map((suffix) => targetPlan(service, port, suffix)),
  );
}

function suffixesOf(service: MeshService): ServiceSuffix[] {
  return isInClusterset(service)
    ? ["svc.cluster.local", "svc.clusterset.local"]
    : ["svc.cluster.local"];
}

function isInClusterset(service: MeshService): boolean {
  return service.local?.exported !== undefined || service.remotes.length > 0;
}

function targetPlan(service: MeshService, port: ServicePort, suffix: ServiceSuffix): TargetPlan {
  const isMeshName = suffix === "svc.clusterset.local";
  const local = isMeshName && service.local?.exported === undefined ? undefined : service.local;
  const remotes = isMeshName || service.isLocalNameShared ? service.remotes : [];
  return {
    target: { service: service.id, port: port.port, suffix },
    port,
    ...(local !== undefined && portOf(local.ports, port) !== undefined ? { local } : {}),
    remotes: remotes.filter((remote) => portOf(remote.ports, port) !== undefined),
  };
}

/** Whether the same stand behind both, though under other names. */
export function isSameOffer(a: TargetPlan, b: TargetPlan): boolean {
  return (
    a.port === b.port &&
    a.local === b.local &&
    a.remotes.length === b.remotes.length &&
    a.remotes.every((remote, index) => remote === b.remotes[index])
  );
}

/**
 * Whether some host of the port is spoken to in the clear: an endpoint of the own member that no sidecar is
 * proven for. All others of the mesh speak mTLS.
 */
export function hasPlainHosts(local: LocalService | undefined, wanted: ServicePort): boolean {
  const port = local === undefined ? undefined : portOf(local.ports, wanted);
  if (local === undefined || port === undefined) return false;
  return local.endpoints.some(
    ({ ports, sidecars }) =>
      atPort(ports, port.name) !== undefined && atPort(sidecars, port.name) === undefined,
  );
}

/**
 * The same port as somebody else names it. The number decides, because it is what a client dials and
 * what the SNI carries; traffic to a port goes only to members that expose it (MCS, port conflicts).
 */
export function portOf(
  ports: readonly ServicePort[],
  wanted: ServicePort,
): ServicePort | undefined {
  return ports.find((port) => port.port === wanted.port && port.protocol === wanted.protocol);
}

/** What belongs to a port's name. Strangers choose it: it may be `constructor`, which every object has. */
export function atPort<Item>(
  byName: Readonly<Record<string, Item>> | undefined,
  name: string,
): Item | undefined {
  return byName !== undefined && Object.hasOwn(byName, name) ? byName[name] : undefined;
}
