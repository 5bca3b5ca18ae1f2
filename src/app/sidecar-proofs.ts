import { type HostPort, parseIp } from "../mesh/address.ts";
import type { Namespace, ServiceId } from "../mesh/ids.ts";
import { namespaceOf } from "../mesh/ids.ts";
import type { Endpoint, LocalService, SidecarProof } from "../mesh/service.ts";

/** What a sidecar's stream proves: this service account takes mTLS for this address of a workload. */
export interface SidecarClaim {
  readonly namespace: Namespace;
  readonly serviceAccount: string;
  /** The workload's own address and port, as sources know it. */
  readonly endpoint: HostPort;
  /** Where the sidecar takes mTLS for it; IP literal. */
  readonly listen: HostPort;
}

/** Every proof this agent has seen. Losing a stream revokes none: probes and readiness decide. */
export interface SidecarProofs {
  /** Returns whether the claim says something new. */
  readonly add: (claim: SidecarClaim) => boolean;
  /** The service with `sidecars` filled in where proofs fit. */
  readonly applyTo: (service: LocalService) => LocalService;
  readonly all: () => readonly SidecarClaim[];
  /** Forgets what fits no endpoint any more. */
  readonly retain: (services: Iterable<LocalService>) => void;
}

// One pod has a handful of ports; a member of 20,000 pods fits. Beyond it the oldest claim goes.
const maxProofs = 100_000;

export function createSidecarProofs(): SidecarProofs {
  const claims = new Map<string, SidecarClaim>();
  const proofOf = (
    service: LocalService,
    endpoint: Endpoint,
    port: number,
  ): SidecarProof | undefined => {
    const namespace = namespaceOf(service.id);
    const claim = claims.get(keyOf(namespace, { host: endpoint.address, port }));
    if (claim === undefined || claim.serviceAccount !== endpoint.serviceAccount) return undefined;
    return { address: claim.listen.host, port: claim.listen.port };
  };
  return {
    add: (claim) => {
      const key = keyOf(claim.namespace, claim.endpoint);
      const isKnown = JSON.stringify(claims.get(key)) === JSON.stringify(plain(claim));
      if (isKnown) return false;
      const oldest = claims.keys().next().value;
      if (claims.size >= maxProofs && oldest !== undefined) claims.delete(oldest);
      claims.set(key, plain(claim));
      return true;
    },
    applyTo: (service) => ({
      ...service,
      endpoints: service.endpoints.map((endpoint) => {
        const sidecars = Object.entries(endpoint.ports).flatMap(([name, port]) => {
          const proof = proofOf(service, endpoint, port);
          return proof === undefined ? [] : [[name, proof] as const];
        });
        return sidecars.length === 0
          ? endpoint
          : { ...endpoint, sidecars: Object.fromEntries(sidecars) };
      }),
    }),
    all: () => [...claims.values()],
    retain: (services) => {
      const kept = new Set<string>();
      for (const service of services) {
        for (const endpoint of service.endpoints) {
          for (const port of Object.values(endpoint.ports)) {
            kept.add(keyOf(namespaceOf(service.id), { host: endpoint.address, port }));
          }
        }
      }
      for (const key of claims.keys()) if (!kept.has(key)) claims.delete(key);
    },
  };
}

/** Where the services of an endpoint are looked up. */
export function workloadKey(service: ServiceId, address: string): string {
  return `${namespaceOf(service)} ${ipKey(address)}`;
}

export function claimWorkloadKey(claim: SidecarClaim): string {
  return `${claim.namespace} ${ipKey(claim.endpoint.host)}`;
}

function keyOf(namespace: Namespace, endpoint: HostPort): string {
  return `${namespace} ${ipKey(endpoint.host)} ${endpoint.port}`;
}

/** IPv6 has many spellings of one address. */
function ipKey(address: string): string {
  if (!address.includes(":")) return address;
  const ip = parseIp(address);
  return ip === undefined ? address : `${ip.bits}:${ip.value}`;
}

function plain(claim: SidecarClaim): SidecarClaim {
  const { namespace, serviceAccount, endpoint, listen } = claim;
  return {
    namespace,
    serviceAccount,
    endpoint: { host: endpoint.host, port: endpoint.port },
    listen: { host: listen.host, port: listen.port },
  };
}
