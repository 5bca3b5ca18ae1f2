import { createPool, type Host, type Pool } from "../../../src/dataplane/balance/pool.ts";
import type {
  AssignmentModel,
  ClusterModel,
  HostModel,
} from "../../../src/dataplane/config/model.ts";

export const clusterModel: ClusterModel = {
  name: "cart",
  source: { t: "eds", name: "cart" },
  connectTimeoutMs: 500,
  policy: "round-robin",
  panicPercent: 1,
  isLocalityWeighted: true,
  maxConnections: 1_024,
  maxPending: 1_024,
  closesOnEjection: false,
  socketMatches: [],
};

let lastPort = 1;

export function host(fields: Partial<HostModel> = {}): HostModel {
  return {
    address: { host: "127.0.0.1", port: lastPort++ },
    health: "healthy",
    weight: 1,
    priority: 0,
    locality: "a",
    localityWeight: 1,
    labels: {},
    ...fields,
  };
}

/** So many hosts, of which so many are healthy. */
export function level(
  priority: number,
  { healthy, total }: { healthy: number; total: number },
): HostModel[] {
  return Array.from({ length: total }, (_, index) =>
    host({ priority, health: index < healthy ? "healthy" : "unhealthy" }),
  );
}

export function poolOf(
  hosts: readonly HostModel[],
  {
    model = {},
    assignment = {},
  }: { model?: Partial<ClusterModel>; assignment?: Partial<AssignmentModel> } = {},
): Pool {
  return createPool(
    { ...clusterModel, ...model },
    { overprovisioningPercent: 140, isHealthWeighted: false, hosts, ...assignment },
  );
}

export function nth(pool: Pool, index: number): Host {
  const found = [...pool.hosts.values()][index];
  if (found === undefined) throw new Error(`no host ${index}`);
  return found;
}
