import type { MeshService } from "../discovery/mesh-service.ts";
import { capturedServiceListeners, directClusters } from "./resources/captured-outbound.ts";
import { sidecarCluster } from "./resources/clusters.ts";
import { sidecarEndpoints } from "./resources/endpoints.ts";
import { sidecarRoute } from "./resources/routes.ts";
import { serviceValidation } from "./resources/validation-contexts.ts";
import type { Draft, Sealed } from "./seal.ts";
import { seal } from "./seal.ts";
import type { ProxySettings } from "./settings.ts";
import { hasPlainHosts, targetsOf } from "./targets.ts";
import type { TrustView } from "./trust-view.ts";
import type { Viewer } from "./viewer.ts";

/** What the resources of a service depend on besides the service. */
export interface ResourceContext {
  readonly trust: TrustView;
  readonly settings: ProxySettings;
}

/** The part of a service that is the same for every sidecar of this member: CDS and SDS. */
export function sidecarResources(service: MeshService, context: ResourceContext): Sealed {
  const validation = serviceValidation(service, context.trust);
  const secrets: Draft[] = validation === undefined ? [] : [{ t: "secret", message: validation }];
  const clusters = targetsOf(service).map((plan): Draft => {
    return { t: "cluster", message: sidecarCluster(service, { plan, settings: context.settings }) };
  });
  return seal([...secrets, ...clusters]);
}

/**
 * What sidecars get besides whose applications dial services by their own addresses: LDS, and CDS for headless
 * services.
 */
export function capturedResources(
  service: MeshService,
  options: { readonly context: ResourceContext; readonly importIps: readonly string[] },
): Sealed {
  const { context, importIps } = options;
  const clusters = directClusters(service, context.settings);
  const listeners = capturedServiceListeners(service, { importIps, trust: context.trust });
  return seal([
    ...clusters.map((message): Draft => ({ t: "cluster", message })),
    ...listeners.map((message): Draft => ({ t: "listener", message })),
  ]);
}

/** Whether those come out the same for both in one context. */
export function isSameCaptured(a: MeshService, b: MeshService): boolean {
  return JSON.stringify(capturedShapeOf(a)) === JSON.stringify(capturedShapeOf(b));
}

function capturedShapeOf(service: MeshService): unknown {
  const { type, ports, local } = service;
  const workloads = type === "Headless" ? local?.endpoints : undefined;
  const doors = workloads?.map(({ address, ports: own, sidecars, isUnowned }) => [
    address,
    own,
    sidecars,
    isUnowned,
  ]);
  const names = targetsOf(service).map(({ target }) => target.suffix);
  return [type, ports, names, local?.clusterIps, doors];
}

/** What engines get besides that speak HTTP: RDS. */
export function routeResources(service: MeshService): Sealed {
  const routes = targetsOf(service).flatMap((plan) => sidecarRoute(plan) ?? []);
  return seal(routes.map((message): Draft => ({ t: "route", message })));
}

/**
 * Whether all but the endpoints comes out the same for both in one context. Endpoints come and go a hundred
 * times for each change of a port or an exporter, and cost no rebuild of what does not hold them.
 */
export function isSameShape(a: MeshService, b: MeshService): boolean {
  return JSON.stringify(shapeOf(a)) === JSON.stringify(shapeOf(b));
}

function shapeOf(service: MeshService): unknown {
  const accounts = service.local?.endpoints.map(({ serviceAccount = "" }) => serviceAccount);
  return [
    service.ports,
    service.ports.map((port) => hasPlainHosts(service.local, port)),
    service.isLocalNameShared,
    service.local?.exported !== undefined,
    [...new Set(accounts)].toSorted(compareText),
    service.remotes.map(({ member, identities }) => [member, identities]),
  ];
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : 1;
}

/** EDS for sidecars of the viewer's zone; `sidecar` is what `sidecarResources` gave for this service. */
export function zoneResources(
  service: MeshService,
  options: { readonly viewer: Viewer; readonly sidecar: Sealed },
): Sealed {
  const versions = clusterVersions(options.sidecar);
  const assignments = sidecarEndpoints(targetsOf(service), options.viewer);
  return seal(
    assignments.map((message): Draft => {
      return { t: "endpoint", message, after: versions.get(message.clusterName) ?? "" };
    }),
  );
}

/** Endpoints follow their cluster: a proxy that rebuilt one waits for the other. */
export function clusterVersions(sealed: Sealed): ReadonlyMap<string, string> {
  const clusters = sealed.resources.filter((resource) => resource.type === "cluster");
  return new Map(clusters.map((cluster) => [cluster.name, cluster.version]));
}
