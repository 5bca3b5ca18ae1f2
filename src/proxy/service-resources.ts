import type { MeshService } from "../discovery/mesh-service.ts";
import { sidecarCluster } from "./clusters.ts";
import { sidecarEndpoints } from "./endpoints.ts";
import { sidecarRoute } from "./routes.ts";
import type { Draft, Sealed } from "./seal.ts";
import { seal } from "./seal.ts";
import type { ProxySettings } from "./settings.ts";
import { targetsOf } from "./targets.ts";
import type { TrustView } from "./trust-view.ts";
import { serviceValidation } from "./validation-contexts.ts";
import type { Viewer } from "./viewer.ts";

/** What the resources of a service depend on besides the service. */
export interface ResourceContext {
  readonly trust: TrustView;
  readonly settings: ProxySettings;
}

/** The part of a service that is the same for every sidecar of this member: CDS, SDS, RDS. */
export function sidecarResources(service: MeshService, context: ResourceContext): Sealed {
  const validation = serviceValidation(service, context.trust);
  const secrets: Draft[] = validation === undefined ? [] : [{ t: "secret", message: validation }];
  const targets = targetsOf(service).flatMap((plan): Draft[] => {
    const cluster = sidecarCluster(service, { plan, settings: context.settings });
    const route = sidecarRoute(plan);
    return [
      { t: "cluster", message: cluster },
      ...(route === undefined ? [] : [{ t: "route", message: route } as const]),
    ];
  });
  return seal([...secrets, ...targets]);
}

/**
 * Whether `sidecarResources` gives the same for both in one context. Endpoints come and go a hundred
 * times for each change of a port or an exporter, and cost no rebuild of what does not hold them.
 */
export function isSameShape(a: MeshService, b: MeshService): boolean {
  return JSON.stringify(shapeOf(a)) === JSON.stringify(shapeOf(b));
}

function shapeOf(service: MeshService): unknown {
  const accounts = service.local?.endpoints.map(({ serviceAccount = "" }) => serviceAccount);
  return [
    service.ports,
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
  return seal(
    targetsOf(service).map((plan) => {
      const message = sidecarEndpoints(plan, options.viewer);
      return { t: "endpoint", message, after: versions.get(message.clusterName) ?? "" };
    }),
  );
}

/** Endpoints follow their cluster: a proxy that rebuilt one waits for the other. */
export function clusterVersions(sealed: Sealed): ReadonlyMap<string, string> {
  const clusters = sealed.resources.filter((resource) => resource.type === "cluster");
  return new Map(clusters.map((cluster) => [cluster.name, cluster.version]));
}
