import { randomUUID } from "node:crypto";
import { type HostPort, parseIp } from "../../../mesh/address.ts";
import type { Namespace, ServiceId } from "../../../mesh/ids.ts";
import { namespaceOf } from "../../../mesh/ids.ts";
import type { Endpoint, LocalService, SidecarProof } from "../../../mesh/service.ts";

/** What a sidecar's stream proves: this service account takes mTLS for this address of a workload. */
export interface SidecarClaim {
  readonly namespace: Namespace;
  readonly serviceAccount: string;
  /** The workload's own address and port, as sources know it. Port 0: whatever the port is. */
  readonly endpoint: HostPort;
  /** Where the sidecar takes mTLS for it; IP literal. Port 0: at the very port of the endpoint. */
  readonly listen: HostPort;
  /** With port 0: ports that it does not stand before. Absent: none. */
  readonly exceptPorts?: readonly number[];
}

/** In a claim of a sidecar that all connections of its workload go through. */
export const anyPort = 0;

/** Every proof this agent has seen. Losing a stream revokes none: probes and readiness decide. */
export interface SidecarProofs {
  /** Returns whether the claim says something new. */
  readonly add: (claim: SidecarClaim) => boolean;
  /** The service with `sidecars` filled in where proofs fit. */
  readonly applyTo: (service: LocalService) => LocalService;
  readonly all: () => readonly SidecarClaim[];
  /** Changes with every new claim, and is another one after a restart. */
  readonly version: () => string;
  /** Forgets what has fitted no endpoint for a while: a sidecar may be here before its workload is known. */
  readonly retain: (services: Iterable<LocalService>, nowMs: number) => void;
}

// Thousands of pods with a handful of ports each. Beyond it the account's own oldest claim goes.
const maxProofsPerAccount = 20_000;

// Longer than sources and workloads that register take to say what they know.
const unfitForMs = 600_000;

export function createSidecarProofs(): SidecarProofs {
  const life = randomUUID();
  let changes = 0;
  // By account first: what one says of an endpoint must not displace what another has proven.
  const accounts = new Map<string, Map<string, SidecarClaim>>();
  /** Since when they have fitted nothing. */
  let unfit = new Map<string, number>();
  const proofOf = (
    service: LocalService,
    endpoint: Endpoint,
    port: number,
  ): SidecarProof | undefined => {
    const { address, serviceAccount } = endpoint;
    if (serviceAccount === undefined) return undefined;
    const claims = accounts.get(accountKey({ namespace: namespaceOf(service.id), serviceAccount }));
    const claim = claims?.get(endpointKey({ host: address, port }));
    if (claim !== undefined) return { address: claim.listen.host, port: claim.listen.port };
    const whole = claims?.get(endpointKey({ host: address, port: anyPort }));
    if (whole === undefined || whole.exceptPorts?.includes(port) === true) return undefined;
    return { address, port };
  };
  return {
    add: (claim) => {
      const account = accountKey(claim);
      const claims = accounts.get(account) ?? new Map<string, SidecarClaim>();
      accounts.set(account, claims);
      const key = endpointKey(claim.endpoint);
      const isKnown = JSON.stringify(claims.get(key)) === JSON.stringify(plain(claim));
      if (isKnown) return false;
      forgetOtherWay(claims, claim);
      const oldest = claims.keys().next().value;
      if (claims.size >= maxProofsPerAccount && oldest !== undefined) claims.delete(oldest);
      claims.set(key, plain(claim));
      changes += 1;
      return true;
    },
    applyTo: (service) => {
      // Most services of a member that starts have none.
      if (accounts.size === 0) return service;
      const endpoints = service.endpoints.map((endpoint) => {
        const sidecars = Object.entries(endpoint.ports).flatMap(([name, port]) => {
          const proof = proofOf(service, endpoint, port);
          return proof === undefined ? [] : [[name, proof] as const];
        });
        return sidecars.length === 0
          ? endpoint
          : { ...endpoint, sidecars: Object.fromEntries(sidecars) };
      });
      return { ...service, endpoints };
    },
    version: () => `${life} ${changes}`,
    all: () => [...accounts.values()].flatMap((claims) => [...claims.values()]),
    retain: (services, nowMs) => {
      const kept = new Set<string>();
      const still = new Map<string, number>();
      for (const service of services) {
        const namespace = namespaceOf(service.id);
        for (const { address, ports, serviceAccount = "" } of service.endpoints) {
          const account = accountKey({ namespace, serviceAccount });
          for (const port of Object.values(ports)) {
            kept.add(`${account} ${endpointKey({ host: address, port })}`);
          }
          kept.add(`${account} ${endpointKey({ host: address, port: anyPort })}`);
        }
      }
      for (const [account, claims] of accounts) {
        for (const key of claims.keys()) {
          const claim = `${account} ${key}`;
          if (kept.has(claim)) continue;
          const sinceMs = unfit.get(claim) ?? nowMs;
          if (nowMs - sinceMs >= unfitForMs) claims.delete(key);
          else still.set(claim, sinceMs);
        }
        if (claims.size === 0) accounts.delete(account);
      }
      unfit = still;
    },
  };
}

/** A sidecar that is started anew in the other way of capture stands no longer where it stood before. */
function forgetOtherWay(claims: Map<string, SidecarClaim>, { endpoint }: SidecarClaim): void {
  if (endpoint.port !== anyPort) {
    claims.delete(endpointKey({ host: endpoint.host, port: anyPort }));
    return;
  }
  const host = ipKey(endpoint.host);
  for (const [key, known] of claims) {
    if (known.endpoint.port !== anyPort && ipKey(known.endpoint.host) === host) claims.delete(key);
  }
}

/** Where the services of an endpoint are looked up. */
export function workloadKey(service: ServiceId, address: string): string {
  return `${namespaceOf(service)} ${ipKey(address)}`;
}

export function claimWorkloadKey(claim: SidecarClaim): string {
  return `${claim.namespace} ${ipKey(claim.endpoint.host)}`;
}

function accountKey(of: Pick<SidecarClaim, "namespace" | "serviceAccount">): string {
  return `${of.namespace} ${of.serviceAccount}`;
}

function endpointKey(endpoint: HostPort): string {
  return `${ipKey(endpoint.host)} ${endpoint.port}`;
}

/** IPv6 has many spellings of one address. */
export function ipKey(address: string): string {
  if (!address.includes(":")) return address;
  const ip = parseIp(address);
  return ip === undefined ? address : `${ip.bits}:${ip.value}`;
}

function plain(claim: SidecarClaim): SidecarClaim {
  const { namespace, serviceAccount, endpoint, listen, exceptPorts = [] } = claim;
  return {
    namespace,
    serviceAccount,
    endpoint: { host: endpoint.host, port: endpoint.port },
    listen: { host: listen.host, port: listen.port },
    ...(exceptPorts.length === 0 ? {} : { exceptPorts: [...exceptPorts] }),
  };
}
