import type { MemberName } from "../../mesh/ids.ts";
import type { Level } from "../../mesh/locality.ts";
import type { Health } from "../../mesh/service.ts";

/** How a host is reached. A placeholder is never dialled while its level counts as alive. */
export type Via =
  | { readonly t: "direct"; readonly workload: string; readonly hasSidecar: boolean }
  | { readonly t: "gateway" }
  | { readonly t: "placeholder" };

/** One `LbEndpoint`, before it becomes one. */
export interface PlannedHost {
  /** IP literal. */
  readonly address: string;
  readonly port: number;
  readonly health: Health;
  /** 1 .. 2^32 - 1; see `endpointWeight`. */
  readonly weight: number;
  readonly via: Via;
  /** Not healthy by inference (probes, silence), not because its owner says so. */
  readonly isInferredDead?: true;
  /** Inferred dead until lately; DRAINING, so that nothing it carries is closed. */
  readonly isReturning?: true;
}

/** One `LocalityLbEndpoints`. */
export interface PlannedLocality {
  readonly member: MemberName;
  readonly region: string;
  /** As proxies see it: `west/a`. */
  readonly zone: string;
  readonly weight: number;
  readonly hosts: readonly PlannedHost[];
}

/** One priority. */
export interface PlannedLevel {
  readonly level: Level;
  /** Nearness among other regions; 0 for the nearer levels. */
  readonly rank: number;
  readonly localities: readonly PlannedLocality[];
}

/** What one whole endpoint weighs, so that halves (two gateways) and quarters (a return) stay whole. */
export const endpointWeight = 100;

export function isHealthy(host: PlannedHost): boolean {
  return host.health === "healthy";
}

export function hostsOf(level: PlannedLevel): PlannedHost[] {
  return level.localities.flatMap((locality) => [...locality.hosts]);
}

export function addressKey(host: Pick<PlannedHost, "address" | "port">): string {
  return `${host.address} ${host.port}`;
}
