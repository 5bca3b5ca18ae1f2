/** The services of a made-up mesh, and what each member says of them. */
import { parseServiceId } from "../../src/mesh/ids.ts";
import type { Endpoint, LocalService } from "../../src/mesh/service.ts";

/** What one remote member exports. */
export interface RemotePlan {
  readonly services: number;
  readonly workloads: number;
  /**
   * `shared`: all members export the same names, which is how traffic fails over. `own`: no two members
   * export one name, the dearest case, because nothing is put together.
   */
  readonly names: "shared" | "own";
  /** Gateway addresses, which answer probes; 0: none, and then nobody here can use what is exported. */
  readonly gateways: number;
}

export const zones: readonly string[] = ["a", "b", "c"];

export function localName(index: number): string {
  return `s${index}`;
}

export function remoteName(
  plan: RemotePlan,
  at: { readonly member: number; readonly index: number },
): string {
  return plan.names === "shared" ? localName(at.index) : `s${at.index}-of-${at.member}`;
}

/** A service of a remote member as its own agent would know it; every workload has a sidecar. */
export function remoteService(
  plan: RemotePlan,
  at: { readonly member: number; readonly index: number; readonly downZone?: string },
): LocalService {
  const workloads = workloadsOf(plan, at.index);
  return {
    id: parseServiceId(`shop/${remoteName(plan, at)}`),
    type: "ClusterSetIP",
    ports: [{ name: "http", port: 80, protocol: "TCP", appProtocol: "http" }],
    endpoints: Array.from({ length: workloads }, (_, host) => endpoint(host, at)),
    exported: { createdAtMs: Date.UTC(2026, 0, 1) },
  };
}

/** The first services have one workload more where it does not come out even. */
function workloadsOf({ workloads, services }: RemotePlan, index: number): number {
  return Math.floor(workloads / services) + (index < workloads % services ? 1 : 0);
}

function endpoint(
  host: number,
  at: { readonly member: number; readonly index: number; readonly downZone?: string },
): Endpoint {
  const address = `10.${at.member % 250}.${at.index % 250}.${(host + 16 * Math.floor(at.index / 250)) % 250}`;
  const zone = zones[host % zones.length] ?? "a";
  return {
    workload: `s${at.index}-${host}`,
    address,
    ports: { http: 8080 },
    zone,
    health: zone === at.downZone ? "unhealthy" : "healthy",
    serviceAccount: `s${at.index}`,
    sidecars: { http: { address, port: 15_006 } },
  };
}
