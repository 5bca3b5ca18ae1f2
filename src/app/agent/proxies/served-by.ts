import type { ProxyNode } from "../../../proxy/node.ts";
import { anyPort, ipKey } from "../sidecars/sidecar-proofs.ts";

/** What proxies that have a stream stand for: endpoints as `endpointKey` names them, and `gatewayKey`. */
export type Served = ReadonlySet<string>;

export const gatewayKey = "gateway";

export function endpointKey(host: string, port: number): string {
  return `${ipKey(host)} ${port}`;
}

export function servedBy(proxies: Iterable<{ readonly node: ProxyNode | undefined }>): Served {
  const served = new Set<string>();
  for (const { node } of proxies) {
    if (node?.t === "gateway") served.add(gatewayKey);
    if (node?.t !== "sidecar") continue;
    for (const host of node.capture?.addresses ?? []) served.add(endpointKey(host, anyPort));
    for (const { endpoint } of node.inbound) served.add(endpointKey(endpoint.host, endpoint.port));
  }
  return served;
}
