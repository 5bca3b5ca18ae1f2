import { canonicalIp, isIp } from "../../mesh/address.ts";
import { asMap, mapIn, mapsIn, numberIn, textIn } from "../../mesh/json-map.ts";
import { isGatewayHost } from "../shards/records.ts";

/** What a Service says of the load balancer before this member's gateways. */
export type GatewayServiceState =
  | {
      readonly t: "reached";
      /** Canonical IP literals and DNS names, sorted, each once; at least one. */
      readonly hosts: readonly string[];
    }
  /** Nobody can dial it, or not yet; why, and what is to be done. */
  | { readonly t: "unreached"; readonly reason: string };

// Every other member asks each of them every second.
const maxHosts = 16;

/**
 * Reads a `v1` Service as the API server writes it; undefined: there is none. `port` is what other members dial.
 * Never throws.
 */
export function gatewayServiceState(object: object | undefined, port: number): GatewayServiceState {
  const service = asMap(object);
  if (service === undefined) {
    return unreached(
      "the cluster has no such Service: apply the gateway's manifests, or name another",
    );
  }
  const spec = mapIn(service, "spec") ?? {};
  const type = textIn(spec, "type") ?? "ClusterIP";
  if (type !== "LoadBalancer") {
    return unreached(
      `it is of type ${type}, so no load balancer gives it an address: make it LoadBalancer, or state gateway.addresses`,
    );
  }
  const ports = mapsIn(spec, "ports").map((each) => numberIn(each, "port"));
  if (!ports.includes(port)) {
    return unreached(
      `it has no port ${port}, but ${ports.join(", ") || "none"}: make it one of them, or set gateway.port`,
    );
  }
  const balancer = mapIn(mapIn(service, "status") ?? {}, "loadBalancer") ?? {};
  const stated = mapsIn(balancer, "ingress");
  const hosts = new Set(stated.flatMap((each) => hostIn(each) ?? []));
  if (hosts.size === 0) {
    const none = stated.length === 0 ? "has no address yet" : "has none that can be dialled";
    return unreached(
      `its load balancer ${none}: \`kubectl describe\` of the Service says what its controller does`,
    );
  }
  return { t: "reached", hosts: [...hosts].sort().slice(0, maxHosts) };
}

function hostIn(ingress: Parameters<typeof textIn>[0]): string | undefined {
  const ip = textIn(ingress, "ip");
  if (ip !== undefined && isIp(ip)) return canonicalIp(ip);
  const name = textIn(ingress, "hostname")?.replace(/\.$/, "");
  return name !== undefined && name !== "" && isGatewayHost(name) ? name : undefined;
}

function unreached(reason: string): GatewayServiceState {
  return { t: "unreached", reason };
}
