import type { SourceChange } from "../../../discovery/source.ts";
import type { ServiceId } from "../../../mesh/ids.ts";
import type { Endpoint, LocalService } from "../../../mesh/service.ts";
import {
  claimWorkloadKey,
  type SidecarClaim,
  type SidecarProofs,
  workloadKey,
} from "../sidecars/sidecar-proofs.ts";

/** This member's own services: all sources joined, with the sidecars that were proven. */
export interface LocalState {
  readonly services: ReadonlyMap<ServiceId, LocalService>;
  /** Takes what one source says; returns what that changes in the whole. */
  readonly take: (source: string, change: SourceChange) => SourceChange;
  /** Takes what a sidecar proved; returns the services it changes. */
  readonly prove: (claims: readonly SidecarClaim[]) => SourceChange;
  /** What registered of these services may be another; returns what that changes. */
  readonly touch: (ids: Iterable<ServiceId>) => SourceChange;
  /** Registered endpoints that do not count, for no sidecar was proven to stand before them. */
  readonly unproven: () => ReadonlyMap<ServiceId, readonly Endpoint[]>;
}

/** Endpoints of workloads that registered themselves; asked again whenever the service is another or gone. */
export type RegisteredEndpoints = (
  id: ServiceId,
  service: LocalService | undefined,
) => readonly Endpoint[];

export function createLocalState(
  proofs: SidecarProofs,
  registered: RegisteredEndpoints = () => [],
): LocalState {
  const bySource = new Map<string, Map<ServiceId, LocalService>>();
  const services = new Map<ServiceId, LocalService>();
  const byWorkload = new Map<string, Set<ServiceId>>();
  const unproven = new Map<ServiceId, readonly Endpoint[]>();

  /**
   * A registered workload has a sidecar, or is none of the mesh: without its proof it would be called in
   * plaintext, at an address that it named itself.
   */
  const withRegistered = (service: LocalService): LocalService => {
    const added = registered(service.id, service);
    unproven.delete(service.id);
    if (added.length === 0) return proofs.applyTo(service);
    const proven = proofs.applyTo({ ...service, endpoints: added }).endpoints.filter(isProven);
    const count = new Set(proven.map(({ workload, address }) => `${workload} ${address}`));
    const late = added.filter(({ workload, address }) => !count.has(`${workload} ${address}`));
    if (late.length > 0) unproven.set(service.id, late);
    const own = proofs.applyTo(service);
    return { ...own, endpoints: [...own.endpoints, ...proven] };
  };
  const indexed = (id: ServiceId, service: LocalService | undefined): readonly Endpoint[] => [
    ...(service?.endpoints ?? []),
    ...(unproven.get(id) ?? []),
  ];

  const rejoin = (ids: Iterable<ServiceId>): SourceChange => {
    const upserts: LocalService[] = [];
    const removed: ServiceId[] = [];
    for (const id of ids) {
      const parts = [...bySource.values()].flatMap((known) => known.get(id) ?? []);
      const joined = join(parts);
      const before = indexed(id, services.get(id));
      const service = joined === undefined ? undefined : withRegistered(joined);
      if (service === undefined) {
        registered(id, undefined);
        unproven.delete(id);
        if (services.delete(id)) removed.push(id);
      } else {
        services.set(id, service);
        upserts.push(service);
      }
      reindex(byWorkload, { id, before, after: indexed(id, service) });
    }
    return { upserts, removed };
  };

  return {
    services,
    take: (source, change) => {
      const known = bySource.get(source) ?? new Map<ServiceId, LocalService>();
      bySource.set(source, known);
      for (const service of change.upserts) known.set(service.id, service);
      for (const id of change.removed) known.delete(id);
      return rejoin(new Set([...change.upserts.map(({ id }) => id), ...change.removed]));
    },
    prove: (claims) => {
      const touched = new Set<ServiceId>();
      for (const claim of claims) {
        if (!proofs.add(claim)) continue;
        for (const id of byWorkload.get(claimWorkloadKey(claim)) ?? []) touched.add(id);
      }
      return rejoin(touched);
    },
    touch: (ids) => rejoin([...ids].filter((id) => services.has(id))),
    unproven: () => unproven,
  };
}

function isProven({ ports, sidecars }: Endpoint): boolean {
  return Object.keys(ports).every((name) => sidecars?.[name] !== undefined);
}

/** One service that several sources describe: the first one's definition, everyone's endpoints. */
function join(parts: readonly LocalService[]): LocalService | undefined {
  const [first, ...others] = parts;
  if (first === undefined || others.length === 0) return first;
  const endpoints = new Map<string, Endpoint>();
  for (const part of parts) {
    for (const endpoint of part.endpoints) {
      const key = `${endpoint.workload} ${endpoint.address}`;
      if (!endpoints.has(key)) endpoints.set(key, endpoint);
    }
  }
  const exported = parts.find((part) => part.exported !== undefined)?.exported;
  const selects = parts.find((part) => part.selects !== undefined)?.selects;
  return {
    ...first,
    endpoints: [...endpoints.values()],
    ...(selects === undefined ? {} : { selects }),
    ...(exported === undefined ? {} : { exported }),
  };
}

function reindex(
  byWorkload: Map<string, Set<ServiceId>>,
  {
    id,
    before,
    after,
  }: {
    readonly id: ServiceId;
    readonly before: readonly Endpoint[];
    readonly after: readonly Endpoint[];
  },
): void {
  for (const { address } of before) {
    const key = workloadKey(id, address);
    const ids = byWorkload.get(key);
    ids?.delete(id);
    if (ids?.size === 0) byWorkload.delete(key);
  }
  for (const { address } of after) {
    const key = workloadKey(id, address);
    const ids = byWorkload.get(key) ?? new Set<ServiceId>();
    byWorkload.set(key, ids.add(id));
  }
}
