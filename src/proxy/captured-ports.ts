import type { MeshService } from "../discovery/mesh-service.ts";
import type { ServiceId } from "../mesh/ids.ts";
import { namespaceOf } from "../mesh/ids.ts";
import { serviceSuffixes, sniOf } from "../mesh/names.ts";
import type { AppProtocol } from "../mesh/service.ts";
import { appProtocolOf } from "../mesh/service.ts";
import { type Capture, isCaptured } from "./capture.ts";
import { atPort } from "./targets.ts";

/** A port of a workload that services lead to. */
export interface CapturedPort {
  /** The application's. */
  readonly port: number;
  /** `tcp` also where its services do not agree. */
  readonly protocol: AppProtocol;
  /** What callers of the mesh send as SNI, in order. */
  readonly names: readonly string[];
}

/** Where services lead by an address, in order of their ports. */
export function capturedPorts(
  capture: Pick<Capture, "addresses" | "openPorts">,
  services: Iterable<MeshService>,
): CapturedPort[] {
  const ports = new Map<
    number,
    { readonly protocols: Set<AppProtocol>; readonly names: Set<string> }
  >();
  for (const service of services) {
    for (const { target, port, protocol } of leadsOf(service, capture)) {
      const at = ports.get(target) ?? { protocols: new Set(), names: new Set() };
      ports.set(target, at);
      at.protocols.add(protocol);
      for (const suffix of serviceSuffixes) {
        at.names.add(sniOf({ service: service.id, port, suffix }));
      }
    }
  }
  return [...ports]
    .sort(([a], [b]) => a - b)
    .map(([port, { protocols, names }]) => {
      const [only = "tcp", ...others] = protocols;
      return { port, protocol: others.length === 0 ? only : "tcp", names: [...names].sort() };
    });
}

interface Lead {
  /** Of the workload. */
  readonly target: number;
  /** Of the service. */
  readonly port: number;
  readonly protocol: AppProtocol;
}

function leadsOf(
  { local }: MeshService,
  capture: Pick<Capture, "addresses" | "openPorts">,
): Lead[] {
  if (local === undefined) return [];
  const own = local.endpoints.filter(({ address }) => capture.addresses.includes(address));
  return own.flatMap(({ address, ports }) =>
    local.ports.flatMap((port) => {
      const target = port.protocol === "TCP" ? atPort(ports, port.name) : undefined;
      if (target === undefined || !isCaptured(capture, { address, port: target })) return [];
      return [{ target, port: port.port, protocol: appProtocolOf(port) }];
    }),
  );
}

/** Which services lead to an address: what a captured sidecar's listener depends on. */
export class AddressIndex {
  readonly #byAddress = new Map<string, Set<ServiceId>>();

  /** `<namespace> <address>`, as `keysFor` gives them, where something came, went or changed. */
  update(change: { readonly from?: MeshService; readonly to?: MeshService }): ReadonlySet<string> {
    const before = signsOf(change.from);
    const after = signsOf(change.to);
    const id = change.to?.id ?? change.from?.id;
    const changed = new Set<string>();
    if (id === undefined) return changed;
    for (const [key, sign] of after) {
      if (before.get(key) === sign) continue;
      changed.add(key);
      this.#byAddress.set(key, (this.#byAddress.get(key) ?? new Set<ServiceId>()).add(id));
    }
    for (const key of before.keys()) {
      if (after.has(key)) continue;
      changed.add(key);
      const services = this.#byAddress.get(key);
      services?.delete(id);
      if (services?.size === 0) this.#byAddress.delete(key);
    }
    return changed;
  }

  /** In order. */
  servicesAt(keys: readonly string[]): readonly ServiceId[] {
    const found = new Set(keys.flatMap((key) => [...(this.#byAddress.get(key) ?? [])]));
    return [...found].sort();
  }
}

export function keysFor(node: {
  readonly namespace: string;
  readonly capture: Pick<Capture, "addresses">;
}): readonly string[] {
  return node.capture.addresses.map((address) => `${node.namespace} ${address}`);
}

/** What a service says of each address behind it, as far as its listener depends on it. */
function signsOf(service: MeshService | undefined): ReadonlyMap<string, string> {
  const signs = new Map<string, string>();
  if (service?.local === undefined) return signs;
  const namespace = namespaceOf(service.id);
  const definition = JSON.stringify(service.local.ports);
  for (const { address, ports } of service.local.endpoints) {
    const key = `${namespace} ${address}`;
    // Processes that share an address have ports of their own.
    signs.set(key, `${signs.get(key) ?? definition} ${JSON.stringify(ports)}`);
  }
  return signs;
}
