import type { MeshService } from "../../discovery/mesh-service.ts";
import type { ServiceTarget } from "../../mesh/names.ts";
import { serviceSuffixes, sniOf } from "../../mesh/names.ts";
import type { Endpoint, ServicePort } from "../../mesh/service.ts";
import { atPort } from "../../proxy/targets.ts";

/** One name under which other members may ask for a port of an exported service. */
export interface ExportedTarget {
  readonly target: ServiceTarget;
  readonly port: ServicePort;
  /** What callers send; the Envoy cluster is named the same. */
  readonly sni: string;
  /** Only those with a proven sidecar: a gateway never forwards to a plain application. */
  readonly endpoints: readonly Endpoint[];
}

/** Everything the door leads to. A service that is not exported has no name here at all. */
export function exportsOf(service: MeshService): ExportedTarget[] {
  const { local } = service;
  if (local?.exported === undefined) return [];
  const ports = local.ports.filter((port) => port.protocol === "TCP");
  return ports.flatMap((port) =>
    serviceSuffixes.map((suffix) => {
      const target = { service: service.id, port: port.port, suffix };
      const endpoints = local.endpoints.filter(
        (endpoint) => atPort(endpoint.sidecars, port.name) !== undefined,
      );
      return { target, port, sni: sniOf(target), endpoints };
    }),
  );
}
