import { formatHostPort, type HostPort } from "../../mesh/address.ts";
import type { AssignmentModel, ClusterModel, HostModel, UpstreamTls } from "../config/model.ts";

/** One address of a pool, with what this engine has seen of it. */
export interface Host {
  readonly key: string;
  readonly address: HostPort;
  model: HostModel;
  tls: UpstreamTls | undefined;
  /** Open and opening connections. */
  active: number;
  /** Connect failures since the last success. */
  failures: number;
  /** How often it was ejected of late; makes the next ejection longer. */
  ejections: number;
  /** Monotonic; 0: never ejected. */
  ejectedUntilMs: number;
  /** Smooth weighted round robin's running credit. */
  credit: number;
  /** It is UNHEALTHY while others are not: its connections have to go. */
  isLeft: boolean;
}

/** One priority as it stands now. */
export interface Level {
  readonly priority: number;
  /** Percent of new connections, 0..100. */
  load: number;
  /** So little of everything is healthy that health is ignored here. */
  isPanic: boolean;
  readonly all: readonly Host[];
  readonly localities: readonly LocalityShare[];
}

export interface LocalityShare {
  /** Effective: cut down as the locality loses hosts. */
  readonly weight: number;
  readonly hosts: readonly Host[];
}

/** All hosts of one Envoy cluster. Owned by the engine, changed only by the functions of this folder. */
export interface Pool {
  model: ClusterModel;
  assignment: AssignmentModel;
  readonly hosts: Map<string, Host>;
  active: number;
  pending: number;
  /** Undefined: to be computed at the next pick. */
  levels: readonly Level[] | undefined;
  /** When an ejection ends, so that the levels are stale. */
  levelsUntilMs: number;
}

const noHosts: AssignmentModel = {
  overprovisioningPercent: 140,
  isHealthWeighted: false,
  hosts: [],
};

export function createPool(model: ClusterModel, assignment: AssignmentModel | undefined): Pool {
  const pool: Pool = {
    model,
    assignment: noHosts,
    hosts: new Map(),
    active: 0,
    pending: 0,
    levels: undefined,
    levelsUntilMs: 0,
  };
  updatePool(pool, { model, assignment });
  return pool;
}

export interface PoolChange {
  /**
   * Turned UNHEALTHY while others are not: their connections have to go. Where nobody is healthy a
   * closed connection would only come back to the same hosts.
   */
  readonly fallen: readonly Host[];
  readonly removed: readonly Host[];
}

/** Hosts keep their ejections and counts over every update of cluster and endpoints. */
export function updatePool(
  pool: Pool,
  next: { readonly model: ClusterModel; readonly assignment: AssignmentModel | undefined },
): PoolChange {
  pool.model = next.model;
  pool.assignment = next.assignment ?? noHosts;
  pool.levels = undefined;
  const seen = new Set<string>();
  for (const model of pool.assignment.hosts) {
    const key = formatHostPort(model.address);
    seen.add(key);
    const host = pool.hosts.get(key);
    const tls = tlsFor(next.model, model);
    if (host === undefined) {
      pool.hosts.set(key, newHost(key, { model, tls }));
      continue;
    }
    host.model = model;
    host.tls = tls;
  }
  const removed = [...pool.hosts.values()].filter(({ key }) => !seen.has(key));
  for (const { key } of removed) pool.hosts.delete(key);
  return { fallen: leaveFallen(pool), removed };
}

function leaveFallen(pool: Pool): readonly Host[] {
  const hosts = [...pool.hosts.values()];
  const isAnyHealthy = hosts.some(({ model }) => model.health === "healthy");
  for (const host of hosts) {
    if (host.model.health !== "unhealthy" || !isAnyHealthy) host.isLeft = false;
  }
  if (!isAnyHealthy) return [];
  const fallen = hosts.filter((host) => host.model.health === "unhealthy" && !host.isLeft);
  for (const host of fallen) host.isLeft = true;
  return fallen;
}

function newHost(key: string, { model, tls }: Pick<Host, "model" | "tls">): Host {
  const counts = { active: 0, failures: 0, ejections: 0, ejectedUntilMs: 0, credit: 0 };
  // A host that begins UNHEALTHY has no connection yet; one of a panic has to go like any other.
  return { key, address: model.address, model, tls, isLeft: false, ...counts };
}

/** The first match whose every pair the host carries; without one, the cluster's own socket. */
function tlsFor(cluster: ClusterModel, host: HostModel): UpstreamTls | undefined {
  const match = cluster.socketMatches.find((candidate) =>
    Object.entries(candidate.match).every(([key, value]) => host.labels[key] === value),
  );
  return match === undefined ? cluster.tls : match.tls;
}
