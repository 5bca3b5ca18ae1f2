import type { MeshService } from "../discovery/mesh-service.ts";
import type { ServiceId } from "../mesh/ids.ts";
import { namespaceOf } from "../mesh/ids.ts";
import type { AppProtocol } from "../mesh/service.ts";
import { appProtocolOf } from "../mesh/service.ts";
import type { Inbound, SidecarNode } from "./node.ts";
import type { InboundProtocolOf } from "./resources/inbound-listeners.ts";
import type { ProtocolOf } from "./resources/outbound-listeners.ts";
import { atPort } from "./targets.ts";

/** Where a sidecar's listeners look up what a port speaks. */
export interface ServiceLookup {
  readonly service: (id: ServiceId) => MeshService | undefined;
  readonly services: () => Iterable<MeshService>;
}

/** `tcp` until the service is known: its listener is there before it. */
export function outboundProtocolIn(lookup: ServiceLookup): ProtocolOf {
  return (target) => {
    const ports = lookup.service(target.service)?.ports ?? [];
    const port = ports.find(
      (candidate) => candidate.port === target.port && candidate.protocol === "TCP",
    );
    return port === undefined ? "tcp" : appProtocolOf(port);
  };
}

/** An inbound entry is what some service of the node's namespace calls a target port of an endpoint. */
export function inboundProtocolIn(lookup: ServiceLookup, node: SidecarNode): InboundProtocolOf {
  return (entry) => {
    for (const service of lookup.services()) {
      const isNear = namespaceOf(service.id) === node.namespace;
      const protocol = isNear ? protocolBehind(service, entry) : undefined;
      if (protocol !== undefined) return protocol;
    }
    return "tcp";
  };
}

function protocolBehind(service: MeshService, entry: Inbound): AppProtocol | undefined {
  // Several workloads may share an address: every process of a laptop, or of one VM.
  const endpoints = service.local?.endpoints.filter(
    ({ address }) => address === entry.endpoint.host,
  );
  const port = service.local?.ports.find(({ name }) =>
    endpoints?.some(({ ports }) => atPort(ports, name) === entry.endpoint.port),
  );
  return port === undefined ? undefined : appProtocolOf(port);
}

/** Whether a change of the service can change the node's listeners: only of engines that speak HTTP. */
export function dependsOn(node: SidecarNode, id: ServiceId): boolean {
  if (node.engine === "embedded") return false;
  const isInbound = node.inbound.length > 0 && namespaceOf(id) === node.namespace;
  return isInbound || node.upstreams.some((upstream) => upstream.target.service === id);
}
