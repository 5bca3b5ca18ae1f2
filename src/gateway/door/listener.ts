import { create } from "@bufbuild/protobuf";
import type { MemberName, MeshDomain } from "../../mesh/ids.ts";
import { probeSniOf } from "../../mesh/names.ts";
import type { GatewayNode } from "../../proxy/node.ts";
import { allowCallers } from "../../proxy/resources/rbac.ts";
import { downstreamTls } from "../../proxy/resources/tls.ts";
import { extension, ms, socketAddress } from "../../proxy/resources/wire.ts";
import type { TrustView } from "../../proxy/trust-view.ts";
import type { SocketOption } from "../../xds/gen/envoy/config/core/v3/socket_option_pb.ts";
import { SocketOptionSchema } from "../../xds/gen/envoy/config/core/v3/socket_option_pb.ts";
import type { FilterChain } from "../../xds/gen/envoy/config/listener/v3/listener_components_pb.ts";
import { FilterChainSchema } from "../../xds/gen/envoy/config/listener/v3/listener_components_pb.ts";
import type { Listener } from "../../xds/gen/envoy/config/listener/v3/listener_pb.ts";
import { ListenerSchema } from "../../xds/gen/envoy/config/listener/v3/listener_pb.ts";
import { TlsInspectorSchema } from "../../xds/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts";
import { EchoSchema } from "../../xds/gen/envoy/extensions/filters/network/echo/v3/echo_pb.ts";
import { SniClusterSchema } from "../../xds/gen/envoy/extensions/filters/network/sni_cluster/v3/sni_cluster_pb.ts";
import { TcpProxySchema } from "../../xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";

export interface GatewaySettings {
  readonly member: MemberName;
  readonly mesh: MeshDomain;
  /** 256..16384; the post-quantum hybrid needs about 1,700 bytes. */
  readonly maxClientHelloBytes: number;
}

/** What fits into one TLS record; nothing legal is larger. */
export const defaultMaxClientHelloBytes = 16_384;

/**
 * The east-west door. It names suffixes, never services: exports are clusters only, so the listener
 * never changes, no export drains a connection and no service can break another.
 */
export function gatewayListener(
  node: GatewayNode,
  options: { readonly settings: GatewaySettings; readonly trust: TrustView },
): Listener {
  const { settings, trust } = options;
  return create(ListenerSchema, {
    name: "gateway",
    address: socketAddress(node.listen),
    listenerFiltersTimeout: ms(helloTimeoutMs),
    tcpBacklogSize: 4_096,
    perConnectionBufferLimitBytes: 65_536,
    // The embedded engine keeps its connections alive by itself.
    socketOptions: node.engine === "envoy" ? keepalive() : [],
    listenerFilters: [
      extension("envoy.filters.listener.tls_inspector", TlsInspectorSchema, {
        closeConnectionOnClientHelloParsingErrors: true,
        maxClientHelloSize: settings.maxClientHelloBytes,
      }),
    ],
    filterChains: [passthroughChain(), probeChain(settings, trust)],
  });
}

const helloTimeoutMs = 2_000;

/** Linux: SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT. */
function keepalive(): SocketOption[] {
  // Below the idle limits of the clouds' load balancers, 240 s and more.
  const options = [
    { level: 1n, name: 9n, value: 1n },
    { level: 6n, name: 4n, value: 60n },
    { level: 6n, name: 5n, value: 10n },
    { level: 6n, name: 6n, value: 3n },
  ];
  return options.map(({ level, name, value }) =>
    create(SocketOptionSchema, { level, name, value: { case: "intValue", value } }),
  );
}

/** The suffixes are the guard: without them a caller could dial any Envoy cluster by SNI. */
function passthroughChain(): FilterChain {
  return create(FilterChainSchema, {
    name: "passthrough",
    filterChainMatch: { serverNames: ["*.cluster.local", "*.clusterset.local"] },
    filters: [
      extension("envoy.filters.network.sni_cluster", SniClusterSchema),
      extension("envoy.filters.network.tcp_proxy", TcpProxySchema, {
        statPrefix: "gateway",
        clusterSpecifier: { case: "cluster", value: "none" },
        // One dead workload of two behind this door must cost its callers nothing.
        maxConnectAttempts: 3,
      }),
    ],
  });
}

/** The one SNI that ends here, so that a probe proves this process alive and not only its kernel. */
function probeChain(settings: GatewaySettings, trust: TrustView): FilterChain {
  const agents = [...trust.trustDomains].sort();
  return create(FilterChainSchema, {
    name: "probe",
    filterChainMatch: { serverNames: [probeSniOf(settings.member, settings.mesh)] },
    transportSocket: downstreamTls(),
    transportSocketConnectTimeout: ms(helloTimeoutMs),
    filters: [
      allowCallers(
        agents.map((domain) => ({ case: "exact", value: `spiffe://${domain}/isthmus/agent` })),
      ),
      // Not direct_response: Envoy's closes the connection before the handshake is through.
      extension("envoy.filters.network.echo", EchoSchema),
    ],
  });
}
