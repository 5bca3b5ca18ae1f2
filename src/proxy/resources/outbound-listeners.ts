import { create } from "@bufbuild/protobuf";
import { formatHostPort } from "../../mesh/address.ts";
import type { ServiceTarget } from "../../mesh/names.ts";
import { outboundName, withoutName } from "../../mesh/names.ts";
import type { AppProtocol } from "../../mesh/service.ts";
import { TrafficDirection } from "../../xds/gen/envoy/config/core/v3/base_pb.ts";
import type { Listener } from "../../xds/gen/envoy/config/listener/v3/listener_pb.ts";
import { ListenerSchema } from "../../xds/gen/envoy/config/listener/v3/listener_pb.ts";
import { TcpProxySchema } from "../../xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import type { SidecarNode, Upstream } from "../node.ts";
import { maxConnectAttempts } from "../settings.ts";
import type { TrustView } from "../trust-view.ts";
import { outboundHttp } from "./http-filters.ts";
import type { Extension } from "./wire.ts";
import { extension, socketAddress } from "./wire.ts";

/** What a port speaks, for engines that can use it. Unknown services are `tcp`. */
export type ProtocolOf = (target: ServiceTarget) => AppProtocol;

/** One listener for each upstream the node asked for, whether the service exists yet or not. */
export function outboundListeners(
  node: SidecarNode,
  { protocolOf, trust }: { readonly protocolOf: ProtocolOf; readonly trust: TrustView },
): Listener[] {
  return node.upstreams.map((upstream) => {
    const isEnvoy = node.engine === "envoy";
    const protocol = isEnvoy ? protocolOf(upstream.target) : "tcp";
    return outboundListener(upstream, { protocol, isEnvoy, trust });
  });
}

function outboundListener(
  upstream: Upstream,
  {
    protocol,
    isEnvoy,
    trust,
  }: { readonly protocol: AppProtocol; readonly isEnvoy: boolean; readonly trust: TrustView },
): Listener {
  const envoyCluster = outboundName(upstream.target);
  return create(ListenerSchema, {
    name: `${envoyCluster}@${formatHostPort(upstream.listen)}`,
    address: socketAddress(upstream.listen),
    trafficDirection: TrafficDirection.OUTBOUND,
    // Connections from outside, which have proven nothing yet, must not keep the application from calling others.
    ...(isEnvoy ? { ignoreGlobalConnLimit: true } : {}),
    filterChains: [
      {
        filters: [outboundProxy(envoyCluster, { protocol })],
        name: protocol === "tcp" ? withoutName(trust.denied ?? []) : "",
      },
    ],
  });
}

/** What carries an application's connections to a service; `statPrefix`: where it counts them. */
export function outboundProxy(
  envoyCluster: string,
  { protocol, statPrefix = envoyCluster }: { protocol: AppProtocol; statPrefix?: string },
): Extension {
  if (protocol !== "tcp") return outboundHttp(envoyCluster, statPrefix);
  return extension("envoy.filters.network.tcp_proxy", TcpProxySchema, {
    statPrefix,
    clusterSpecifier: { case: "cluster", value: envoyCluster },
    // Bytes can be sent again as long as none was: a refused connect is retried on other hosts and levels.
    maxConnectAttempts,
  });
}
