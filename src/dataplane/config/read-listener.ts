import { isMessage } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { trustDomainsWithout } from "../../mesh/names.ts";
import type {
  FilterChain,
  FilterChainMatch,
} from "../../xds/gen/envoy/config/listener/v3/listener_components_pb.ts";
import {
  type Listener,
  ListenerSchema,
} from "../../xds/gen/envoy/config/listener/v3/listener_pb.ts";
import { TlsInspectorSchema } from "../../xds/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts";
import { EchoSchema } from "../../xds/gen/envoy/extensions/filters/network/echo/v3/echo_pb.ts";
import { RBACSchema as NetworkRbacSchema } from "../../xds/gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts";
import { SniClusterSchema } from "../../xds/gen/envoy/extensions/filters/network/sni_cluster/v3/sni_cluster_pb.ts";
import type { TcpProxy } from "../../xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import { TcpProxySchema } from "../../xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import { addressOf, downstreamTlsOf, msOf } from "./common.ts";
import type {
  ChainEnd,
  ChainMatch,
  ChainModel,
  DownstreamTls,
  ListenerModel,
  RbacRules,
} from "./model.ts";
import { rbacOf } from "./read-rbac.ts";
import { decodeSupported, unpackExtension, unsupported } from "./supported.ts";

// A burst of connections after a failover must not meet a full queue.
const defaultBacklog = 4096;
// Envoy's default for listener filters.
const defaultInspectMs = 15_000;
// The whole of what a ClientHello may be, hybrid key shares and long ticket included.
const maxHelloBytes = 16_384;
// Envoy's default for TCP.
const defaultIdleMs = 3_600_000;

/** Throws MESH_XDS_UNSUPPORTED or MESH_XDS_RESOURCE_INVALID. */
export function readListener(bytes: Uint8Array): ListenerModel {
  const listener = decodeSupported(ListenerSchema, bytes);
  if (listener.bindToPort === false) unsupported("bindToPort", "is false");
  if (listener.continueOnListenerFiltersTimeout) {
    unsupported("continueOnListenerFiltersTimeout", "is true: silence would choose a filter chain");
  }
  const inspector = inspectorOf(listener);
  const chains = listener.filterChains.map((chain, index) =>
    chainOf(chain, `filterChains[${index}]`),
  );
  if (chains.length === 0) unsupported("filterChains", "is empty");
  const isChoice = chains.some(
    ({ match }) => match.serverNames.length > 0 || match.transport !== "any",
  );
  if (isChoice && inspector === undefined) {
    unsupported("filterChains", "are chosen by the ClientHello, and no tls_inspector reads it");
  }
  requireDistinct(chains);
  return {
    name: listener.name,
    bind: addressOf(listener.address, "address"),
    backlog: listener.tcpBacklogSize ?? defaultBacklog,
    ...(inspector === undefined ? {} : { inspector }),
    chains,
  };
}

/** Two chains that claim one name: Envoy refuses the listener, and so do we. */
function requireDistinct(chains: readonly ChainModel[]): void {
  const seen = new Set<string>();
  for (const { match } of chains) {
    for (const name of match.serverNames.length === 0 ? ["*"] : match.serverNames) {
      const key = `${match.transport} ${name}`;
      if (seen.has(key)) unsupported("filterChains", `match "${name}" twice`);
      seen.add(key);
    }
  }
}

function inspectorOf(listener: Listener): ListenerModel["inspector"] {
  const [filter, ...more] = listener.listenerFilters;
  if (filter === undefined) return undefined;
  if (more.length > 0) unsupported("listenerFilters", "has more than one entry");
  const path = "listenerFilters[0]";
  const any = filter.configType.case === "typedConfig" ? filter.configType.value : undefined;
  const message = unpackExtension(any, path);
  if (!isMessage(message, TlsInspectorSchema)) return unsupported(path, "is not a tls_inspector");
  return {
    timeoutMs: msOf(listener.listenerFiltersTimeout, defaultInspectMs),
    maxHelloBytes: Math.min(message.maxClientHelloSize ?? maxHelloBytes, maxHelloBytes),
  };
}

function chainOf(chain: FilterChain, path: string): ChainModel {
  const tls = tlsOf(chain, path);
  const filters = chain.filters.map((filter, index) => {
    const any: Any | undefined =
      filter.configType.case === "typedConfig" ? filter.configType.value : undefined;
    return unpackExtension(any, `${path}.filters[${index}]`);
  });
  const last = filters.pop();
  const rbac: RbacRules[] = [];
  let isBySni = false;
  for (const [index, filter] of filters.entries()) {
    if (isMessage(filter, NetworkRbacSchema)) {
      const rules = rbacOf(filter, `${path}.filters[${index}]`);
      if (rules !== undefined) rbac.push(rules);
    } else if (isMessage(filter, SniClusterSchema)) isBySni = true;
    else
      unsupported(
        `${path}.filters[${index}]`,
        "stands before the end and is neither rbac nor sni_cluster",
      );
  }
  const end = endOf(last, { isBySni, path: `${path}.filters[${filters.length}]` });
  if (isBySni && tls !== undefined) unsupported(path, "ends TLS and forwards by SNI");
  return {
    match: matchOf(chain.filterChainMatch, path),
    ...(tls === undefined ? {} : { tls }),
    rbac,
    without: trustDomainsWithout(chain.name),
    end,
  };
}

function tlsOf(chain: FilterChain, path: string): DownstreamTls | undefined {
  const tls = downstreamTlsOf(chain.transportSocket, `${path}.transportSocket`);
  const timeout = chain.transportSocketConnectTimeout;
  if (tls === undefined || timeout === undefined) return tls;
  return { ...tls, handshakeTimeoutMs: msOf(timeout, 0) };
}

function endOf(
  filter: ReturnType<typeof unpackExtension> | undefined,
  { isBySni, path }: { readonly isBySni: boolean; readonly path: string },
): ChainEnd {
  if (filter !== undefined && isMessage(filter, EchoSchema)) return { t: "echo" };
  if (filter === undefined || !isMessage(filter, TcpProxySchema)) {
    return unsupported(path, "is neither tcp_proxy nor echo");
  }
  return {
    t: "proxy",
    to: isBySni ? { t: "by-sni" } : { t: "cluster", name: clusterOf(filter, path) },
    maxConnectAttempts: filter.maxConnectAttempts ?? 1,
    idleTimeoutMs: msOf(filter.idleTimeout, defaultIdleMs),
  };
}

function clusterOf(filter: TcpProxy, path: string): string {
  const { clusterSpecifier } = filter;
  const name = clusterSpecifier.case === "cluster" ? clusterSpecifier.value : "";
  return name === "" ? unsupported(`${path}.cluster`, "is empty") : name;
}

function matchOf(match: FilterChainMatch | undefined, path: string): ChainMatch {
  const transport = match?.transportProtocol ?? "";
  if (transport !== "" && transport !== "tls" && transport !== "raw_buffer") {
    unsupported(`${path}.filterChainMatch.transportProtocol`, `is "${transport}"`);
  }
  return {
    serverNames: match?.serverNames.map((name) => name.toLowerCase()) ?? [],
    transport: transport === "" ? "any" : transport,
  };
}
