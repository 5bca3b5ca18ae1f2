import type { SourceChange } from "../../discovery/source.ts";
import type { ServiceId } from "../../mesh/ids.ts";
import type { Endpoint, LocalService } from "../../mesh/service.ts";
import {
  claimWorkloadKey,
  type SidecarClaim,
  type SidecarProofs,
  workloadKey,
} from "./sidecars/sidecar-proofs.ts";

/** This member's own services: all sources joined, with the sidecars that were proven. */
export interface LocalState {
  readonly services: ReadonlyMap<ServiceId, LocalService>;
  /** Takes what one source says; returns what that changes in the whole. */
  readonly take: (source: string, change: SourceChange) => SourceChange;
  /** Takes what a sidecar proved; returns the services it changes. */
  readonly prove: (claims: readonly SidecarClaim[]) => SourceChange;
}

export function createLocalState(proofs: SidecarProofs): LocalState {
  const bySource = new Map<string, Map<ServiceId, LocalService>>();
  const services = new Map<ServiceId, LocalService>();
  const byWorkload = new Map<string, Set<ServiceId>>();

  const rejoin = (ids: Iterable<ServiceId>): SourceChange => {
    const upserts: LocalService[] = [];
    const removed: ServiceId[] = [];
    for (const id of ids) {
      const parts = [...bySource.values()].flatMap((known) => known.get(id) ?? []);
      const joined = join(parts);
      const before = services.get(id);
      reindex(byWorkload, { before, after: joined });
      if (joined === undefined) {
        if (services.delete(id)) removed.push(id);
      } else {
        const service = proofs.applyTo(joined);
        services.set(id, service);
        upserts.push(service);
      }
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
  };
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
  return {
    ...first,
    endpoints: [...endpoints.values()],
    ...(exported === undefined ? {} : { exported }),
  };
}

function reindex(
  byWorkload: Map<string, Set<ServiceId>>,
  change: { readonly before: LocalService | undefined; readonly after: LocalService | undefined },
): void {
  for (const { address } of change.before?.endpoints ?? []) {
    if (change.before === undefined) continue;
    const key = workloadKey(change.before.id, address);
    const ids = byWorkload.get(key);
    ids?.delete(change.before.id);
    if (ids?.size === 0) byWorkload.delete(key);
  }
  for (const { address } of change.after?.endpoints ?? []) {
    if (change.after === undefined) continue;
    const key = workloadKey(change.after.id, address);
    const ids = byWorkload.get(key) ?? new Set<ServiceId>();
    byWorkload.set(key, ids.add(change.after.id));
  }
}
