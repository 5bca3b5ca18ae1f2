import { namespaceOf } from "../../../mesh/ids.ts";
import type { Clock } from "../../../mesh/ports.ts";
import type { Endpoint, Finding, LocalService } from "../../../mesh/service.ts";
import { anyPort } from "../sidecars/sidecar-proofs.ts";
import type { ConnectedProxy } from "./agent-proxies.ts";
import { endpointKey, gatewayKey, type Served, servedBy } from "./served-by.ts";

/** Notices proxies of this member that should be connected and are not. */
export interface ProxyWatch {
  /** Call every few seconds. */
  readonly look: () => void;
  /** How many of those that proved themselves once are missing now. */
  readonly gone: () => number;
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
  /** Whether a sidecar was put into the pod of that address. */
  readonly isInjected: (address: string) => boolean;
  readonly clock: Clock;
}

// Proxies come back within 5 s of a restart of their agent, and within 15 s of one that hung.
const tolerableMs = 30_000;
// What one machine lost names enough of them.
const maxNamed = 20;
const maxExamples = 3;
// No namespace has a space.
const never = "never ";

export function createProxyWatch(options: ProxyWatchOptions): ProxyWatch {
  const { clock } = options;
  /** When each was first missed, by what it is called; of those that never proved themselves, with `never` before it. */
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
    const names = new Set(missingWorkloads(options, served));
    if (options.hasGateway && !served.has(gatewayKey)) names.add(gatewayKey);
    missing = new Map([...names].map((name) => [name, missing.get(name) ?? nowMs]));
  };

  return {
    look,
    gone: () => [...missing.keys()].filter((name) => !name.startsWith(never)).length,
    findings: () => {
      const nowMs = clock.monotonicMs();
      const late = [...missing].filter(([, sinceMs]) => nowMs - sinceMs >= tolerableMs);
      const names = late.map(([name]) => name);
      const unproven = names.filter((name) => name.startsWith(never));
      const gone = names.filter((name) => name !== gatewayKey && !name.startsWith(never));
      return [
        ...names.filter((name) => name === gatewayKey).map(gatewayFinding),
        ...gone.slice(0, maxNamed).map(sidecarFinding),
        ...moreFinding(gone.length - maxNamed),
        ...unprovenFinding(unproven.map((name) => name.slice(never.length))),
      ];
    },
  };
}

/** `namespace/workload` of each healthy endpoint that should have a sidecar with a stream, and has none. */
function* missingWorkloads(
  { services, isInjected }: Pick<ProxyWatchOptions, "services" | "isInjected">,
  served: Served,
): Iterable<string> {
  for (const service of services()) {
    for (const endpoint of service.endpoints) {
      const { address, ports, sidecars = {}, health, workload } = endpoint;
      // An unhealthy one has stopped with its application: nothing is expected of it.
      if (health !== "healthy") continue;
      const name = `${namespaceOf(service.id)}/${workload}`;
      const proven = Object.keys(sidecars).map((port) => ports[port] ?? anyPort);
      if (proven.length > 0) {
        if (!isServed(endpoint, { ports: proven, served })) yield name;
      } else if (isInjected(address)) {
        if (!isServed(endpoint, { ports: Object.values(ports), served })) yield never + name;
      }
    }
  }
}

function isServed(
  { address }: Endpoint,
  { ports, served }: { readonly ports: readonly number[]; readonly served: Served },
): boolean {
  return [anyPort, ...ports].some((port) => served.has(endpointKey(address, port)));
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

/** One for all: what keeps one of them away mostly keeps away all. */
function unprovenFinding(names: readonly string[]): readonly Finding[] {
  const [subject] = names;
  if (subject === undefined) return [];
  const rest = names.length > maxExamples ? ` and ${names.length - maxExamples} more` : "";
  const message =
    `${names.length === 1 ? "1 workload has" : `${names.length} workloads have`} a sidecar in the pod that is not connected ` +
    "to this member's agents and never proved itself: callers take it for none. Look at its log (kubectl logs -c " +
    `isthmus-sidecar) and at what is between: ${names.slice(0, maxExamples).join(", ")}${rest}`;
  return [{ code: "PROXY_SIDECAR_UNPROVEN", severity: "warning", subject, message }];
}
