import { namespaceOf } from "../../mesh/ids.ts";
import type { Clock } from "../../mesh/ports.ts";
import type { Finding, LocalService } from "../../mesh/service.ts";
import type { ConnectedProxy } from "./agent-proxies.ts";
import { endpointKey, gatewayKey, type Served, servedBy } from "./served-by.ts";
import { anyPort } from "./sidecars/sidecar-proofs.ts";

/** Notices proxies of this member that should be connected and are not. */
export interface ProxyWatch {
  /** Call every few seconds. */
  readonly look: () => void;
  readonly findings: () => readonly Finding[];
}

export interface ProxyWatchOptions {
  /** Whether other members are told of a gateway here. */
  readonly hasGateway: boolean;
  /** What has its stream at another agent of this member; undefined: some of them do not tell. */
  readonly servedElsewhere: () => Served | undefined;
  readonly isWarm: () => boolean;
  readonly services: () => Iterable<LocalService>;
  readonly proxies: () => readonly ConnectedProxy[];
  readonly clock: Clock;
}

// Proxies come back within 5 s of a restart of their agent, and within 15 s of one that hung.
const tolerableMs = 30_000;
// What one machine lost names enough of them.
const maxNamed = 20;

export function createProxyWatch(options: ProxyWatchOptions): ProxyWatch {
  const { clock } = options;
  /** When each was first missed, by what it is called. */
  let missing = new Map<string, number>();

  const look = (): void => {
    const elsewhere = options.servedElsewhere();
    // Before that nobody is served. A replica that cannot be asked may have all that is missing here.
    if (!options.isWarm() || elsewhere === undefined) {
      missing = new Map();
      return;
    }
    const nowMs = clock.monotonicMs();
    const served = new Set([...servedBy(options.proxies()), ...elsewhere]);
    const names = new Set(missingWorkloads(options.services(), served));
    if (options.hasGateway && !served.has(gatewayKey)) names.add(gatewayKey);
    missing = new Map([...names].map((name) => [name, missing.get(name) ?? nowMs]));
  };

  return {
    look,
    findings: () => {
      const nowMs = clock.monotonicMs();
      const late = [...missing].filter(([, sinceMs]) => nowMs - sinceMs >= tolerableMs);
      const workloads = late.filter(([name]) => name !== gatewayKey);
      return [
        ...late.filter(([name]) => name === gatewayKey).map(gatewayFinding),
        ...workloads.slice(0, maxNamed).map(([name]) => sidecarFinding(name)),
        ...moreFinding(workloads.length - maxNamed),
      ];
    },
  };
}

/** `namespace/workload` of each healthy endpoint whose proven sidecar has no stream. */
function* missingWorkloads(services: Iterable<LocalService>, served: Served): Iterable<string> {
  for (const service of services) {
    for (const { address, ports, sidecars = {}, health, workload } of service.endpoints) {
      // An unhealthy one has stopped with its application: nothing is expected of it.
      if (health !== "healthy") continue;
      const proven = Object.keys(sidecars);
      const isServed = [anyPort, ...proven.map((name) => ports[name] ?? anyPort)].some((port) =>
        served.has(endpointKey(address, port)),
      );
      if (proven.length > 0 && !isServed) yield `${namespaceOf(service.id)}/${workload}`;
    }
  }
}

function gatewayFinding(): Finding {
  return {
    code: "GATEWAY_GONE",
    severity: "error",
    subject: "gateway.addresses",
    message:
      "no gateway of this member is connected: other members may not get in, and changes do not reach it",
  };
}

function sidecarFinding(subject: string): Finding {
  const message =
    "its sidecar was here and is not connected any more; sources still call it healthy";
  return { code: "PROXY_SIDECAR_GONE", severity: "warning", subject, message };
}

function moreFinding(count: number): readonly Finding[] {
  if (count <= 0) return [];
  const message = `${count} more workloads have lost their sidecars (isthmus proxy list)`;
  return [{ code: "PROXY_SIDECAR_GONE", severity: "warning", subject: "and more", message }];
}
