import type { HostPort } from "../../../mesh/address.ts";
import { parseMeshDomain } from "../../../mesh/ids.ts";
import { address, object, oneOf, optional, type Parser, text } from "../config-parser.ts";

/** How the agent keeps this cluster's ServiceImports. */
export interface McsConfig {
  /** Which workloads stand in EndpointSlices: those that can be dialled from here, or none. */
  readonly endpointSlices: "reachable" | "none";
}

/** Where the names of imported services are answered. */
export interface DnsConfig {
  readonly listen: HostPort;
  /** Below it stands `<service>.<namespace>.svc`. */
  readonly zone: string;
}

// Callers without a sidecar reach what they list through kube-proxy.
const defaultSlices: McsConfig["endpointSlices"] = "reachable";
// Above 1024, as no root is needed for it; the Service before it has the port 53.
const defaultListen: HostPort = { host: "0.0.0.0", port: 15_053 };
// Source: KEP-1645.
const defaultZone = "clusterset.local";

/** `kubernetes.mcs` of agent.yaml; `{}` is all that is needed. */
export const mcs: Parser<McsConfig> = object<McsConfig>({
  endpointSlices: optional<McsConfig["endpointSlices"]>(
    oneOf(["reachable", "none"]),
    defaultSlices,
  ),
});

/** `kubernetes.dns` of agent.yaml. */
export const dns: Parser<DnsConfig> = object<DnsConfig>({
  listen: optional(address, defaultListen),
  // The grammar of a DNS name is the same.
  zone: optional<string>(text(parseMeshDomain), defaultZone),
});
