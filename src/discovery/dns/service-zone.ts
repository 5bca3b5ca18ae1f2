import type { MemberName, ServiceId } from "../../mesh/ids.ts";
import { namespaceOf } from "../../mesh/ids.ts";
import type { ServicePort, ServiceType } from "../../mesh/service.ts";

/** One imported service as names tell of it. */
export interface NamedService {
  readonly type: ServiceType;
  readonly ports: readonly ServicePort[];
  /** Where it is dialled; none for a headless one, or while there is no address yet. */
  readonly ips: readonly string[];
  /** Of a headless one: those that are ready and can be dialled from here. */
  readonly workloads: readonly NamedWorkload[];
}

export interface NamedWorkload {
  readonly member: MemberName;
  /** A DNS label. */
  readonly hostname: string;
  /** IP literal. */
  readonly address: string;
  /** Target port by the service port's name. */
  readonly ports: Readonly<Record<string, number>>;
}

/** All services that have a name in the zone. */
export interface ServiceZone {
  /** Undefined: it has none. */
  readonly set: (id: ServiceId, service: NamedService | undefined) => void;
  readonly get: (id: string) => NamedService | undefined;
  readonly hasNamespace: (namespace: string) => boolean;
  readonly size: () => number;
}

export function createServiceZone(): ServiceZone {
  const services = new Map<string, NamedService>();
  const perNamespace = new Map<string, number>();
  const count = (id: ServiceId, by: number): void => {
    const namespace = namespaceOf(id);
    const left = (perNamespace.get(namespace) ?? 0) + by;
    if (left > 0) perNamespace.set(namespace, left);
    else perNamespace.delete(namespace);
  };
  return {
    set: (id, service) => {
      if (services.has(id)) count(id, -1);
      if (service === undefined) {
        services.delete(id);
        return;
      }
      count(id, 1);
      services.set(id, service);
    },
    get: (id) => services.get(id),
    hasNamespace: (namespace) => perNamespace.has(namespace),
    size: () => services.size,
  };
}
