import { create } from "@bufbuild/protobuf";
import { formatHostPort } from "../../mesh/address.ts";
import { inboundName } from "../../mesh/names.ts";
import type { AppProtocol } from "../../mesh/service.ts";
import { CircuitBreakersSchema } from "../../xds/gen/envoy/config/cluster/v3/circuit_breaker_pb.ts";
import type { Cluster } from "../../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import {
  Cluster_DiscoveryType,
  ClusterSchema,
} from "../../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { TrafficDirection } from "../../xds/gen/envoy/config/core/v3/base_pb.ts";
import type { FilterChain } from "../../xds/gen/envoy/config/listener/v3/listener_components_pb.ts";
import { FilterChainSchema } from "../../xds/gen/envoy/config/listener/v3/listener_components_pb.ts";
import type { Listener } from "../../xds/gen/envoy/config/listener/v3/listener_pb.ts";
import { ListenerSchema } from "../../xds/gen/envoy/config/listener/v3/listener_pb.ts";
import { TcpProxySchema } from "../../xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import { shared } from "../../xds/shared.ts";
import type { Inbound, SidecarNode } from "../node.ts";
import { maxInFlight } from "../settings.ts";
import type { TrustView } from "../trust-view.ts";
import { inboundHttp } from "./http-filters.ts";
import { allowWorkloads, type Callee } from "./rbac.ts";
import { downstreamTls } from "./tls.ts";
import { appProtocolOptions } from "./upstream-http.ts";
import type { Extension } from "./wire.ts";
import { extension, ms, socketAddress } from "./wire.ts";

/** What the application behind an inbound entry speaks, for engines that can use it. */
export type InboundProtocolOf = (entry: Inbound) => AppProtocol;

export interface InboundOptions {
  readonly trust: TrustView;
  readonly protocolOf: InboundProtocolOf;
}

/** The mTLS doors of a node: one listener for each inbound entry. */
export function inboundListeners(node: SidecarNode, options: InboundOptions): Listener[] {
  return node.inbound.map((entry) => {
    const protocol = spokenAt(entry, { node, protocolOf: options.protocolOf });
    const alpn = alpnOf(protocol, node);
    return inboundListener(entry, { trust: options.trust, callee: node, protocol, alpn });
  });
}

function spokenAt(
  entry: Inbound,
  by: { readonly node: SidecarNode; readonly protocolOf: InboundProtocolOf },
): AppProtocol {
  return by.node.engine === "envoy" ? by.protocolOf(entry) : "tcp";
}

function inboundListener(
  entry: Inbound,
  options: {
    readonly trust: TrustView;
    readonly callee: Callee;
    readonly protocol: AppProtocol;
    readonly alpn: readonly string[];
  },
): Listener {
  return create(ListenerSchema, {
    name: `inbound@${formatHostPort(entry.listen)}`,
    address: socketAddress(entry.listen),
    trafficDirection: TrafficDirection.INBOUND,
    ...(options.protocol === "tcp" ? {} : { perConnectionBufferLimitBytes: inboundBufferBytes }),
    filterChains: [mtlsChain({ ...options, envoyCluster: inboundClusterName(entry) })],
  });
}

/** Callers that prove themselves, and what they are led to. */
export function mtlsChain(to: {
  readonly trust: TrustView;
  readonly callee: Callee;
  readonly protocol: AppProtocol;
  readonly alpn: readonly string[];
  readonly envoyCluster: string;
}): FilterChain {
  return create(FilterChainSchema, {
    filters: [allowWorkloads(to.trust, to.callee), inboundProxy(to)],
    transportSocket: downstreamTls(to.alpn),
    // A caller that connects and says nothing must not hold a connection.
    transportSocketConnectTimeout: ms(handshakeTimeoutMs),
  });
}

/** What hands connections to the application. */
export function inboundProxy(to: {
  readonly protocol: AppProtocol;
  readonly envoyCluster: string;
}): Extension {
  if (to.protocol !== "tcp") return inboundHttp(to.envoyCluster);
  return extension("envoy.filters.network.tcp_proxy", TcpProxySchema, {
    statPrefix: to.envoyCluster,
    clusterSpecifier: { case: "cluster", value: to.envoyCluster },
  });
}

// Both ends take the first of these that the caller offers. One that speaks HTTP wants HTTP/2, for its pings,
// whatever the application speaks. One that forwards bytes answers for its application: who offers both gets
// what every HTTP application speaks, who offers one (a gRPC library, a sidecar that knows the port to be
// HTTP/2) gets that one. Callers that forward bytes offer none.
const spokenProtocols = ["h2", "http/1.1"];
const forwardedProtocols = ["http/1.1", "h2"];

/** What both ends are to speak, in order of preference. */
export function alpnOf(protocol: AppProtocol, node: SidecarNode): readonly string[] {
  return protocol === "tcp" || !canEndConnections(node) ? forwardedProtocols : spokenProtocols;
}

/**
 * Envoy's Lua can end a connection since 1.37. One that cannot takes HTTP/1.1 where it has the choice: its
 * callers must get away from a dead application, and have no pings.
 */
function canEndConnections({ version }: SidecarNode): boolean {
  return version === undefined || version.major > 1 || version.minor >= 37;
}

/** What is held of a request's body while the application does not read; see `inboundWindows`. */
export const inboundBufferBytes = 65_536;

// Callers across continents need three round trips of up to 300 ms, with losses.
const handshakeTimeoutMs = 10_000;

/** The applications behind those doors. */
export function inboundClusters(node: SidecarNode, protocolOf: InboundProtocolOf): Cluster[] {
  return node.inbound.map((entry) => {
    const protocol = spokenAt(entry, { node, protocolOf });
    return create(ClusterSchema, {
      name: inboundClusterName(entry),
      clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.STATIC },
      ...everyApp,
      loadAssignment: {
        clusterName: inboundClusterName(entry),
        endpoints: [
          {
            lbEndpoints: [
              {
                hostIdentifier: { case: "endpoint", value: { address: socketAddress(entry.app) } },
              },
            ],
          },
        ],
      },
      ...appOptions(protocol),
    });
  });
}

/** What every application behind a sidecar is spoken to with. */
export const everyApp: Pick<Cluster, "connectTimeout" | "circuitBreakers"> = {
  // It is on this very machine: a slow connect is a full backlog.
  connectTimeout: ms(1_000),
  circuitBreakers: shared(CircuitBreakersSchema, {
    thresholds: [
      { maxConnections: maxInFlight, maxPendingRequests: maxInFlight, maxRequests: maxInFlight },
    ],
  }),
};

/** What it is spoken to with by its protocol. */
export function appOptions(
  protocol: AppProtocol,
): Partial<Pick<Cluster, "typedExtensionProtocolOptions" | "perConnectionBufferLimitBytes">> {
  if (protocol === "tcp") return {};
  return {
    typedExtensionProtocolOptions: appProtocolOptions(protocol),
    perConnectionBufferLimitBytes: inboundBufferBytes,
  };
}

function inboundClusterName(entry: Inbound): string {
  return inboundName({ address: entry.endpoint.host, port: entry.endpoint.port });
}
