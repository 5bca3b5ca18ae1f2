import { type ServiceTarget, sniOf } from "../../src/mesh/names.ts";
import type { Identity } from "../../src/mesh/ports.ts";

/** Ports of a path: application, its sidecar, its gateway, the caller's sidecar. */
export interface PathPorts {
  readonly app: number;
  readonly inbound: number;
  readonly gateway: number;
  readonly outbound: number;
}

export interface HandOptions {
  readonly ports: PathPorts;
  readonly target: ServiceTarget;
  readonly app: Identity;
  readonly caller: Identity;
  readonly http: "1.1" | "2";
}

/** The three Envoys of a path as somebody would write them who wants mTLS and nothing else. */
export function handPath(options: HandOptions): Record<"sidecar" | "gateway" | "caller", object> {
  const { ports, target, app, caller, http } = options;
  const tls = { certificates: app, peer: caller };
  return {
    sidecar: bootstrap({
      listen: ports.inbound,
      chain: {
        transportSocket: socket("DownstreamTlsContext", {
          requireClientCertificate: true,
          commonTlsContext: { alpnProtocols: ["h2", "http/1.1"], ...common(tls) },
        }),
        filters: [manager()],
      },
      cluster: { endpoint: ports.app },
    }),
    gateway: bootstrap({
      listen: ports.gateway,
      inspects: true,
      chain: {
        filterChainMatch: { serverNames: [sniOf(target)] },
        filters: [
          extension("tcp_proxy", "filters.network.tcp_proxy.v3.TcpProxy", {
            statPrefix: "t",
            cluster: "next",
          }),
        ],
      },
      cluster: { endpoint: ports.inbound },
    }),
    caller: bootstrap({
      listen: ports.outbound,
      chain: { filters: [manager()] },
      cluster: {
        endpoint: ports.gateway,
        transportSocket: socket("UpstreamTlsContext", {
          sni: sniOf(target),
          commonTlsContext: common({ certificates: caller, peer: app }),
        }),
        ...(http === "2" ? overHttp2 : {}),
      },
    }),
  };
}

const overHttp2 = {
  typedExtensionProtocolOptions: {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
      "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
      explicitHttpConfig: { http2ProtocolOptions: {} },
    },
  },
};

function common(of: { readonly certificates: Identity; readonly peer: Identity }): object {
  const { certificates, peer } = of;
  return {
    tlsParams: {
      tlsMinimumProtocolVersion: "TLSv1_3",
      tlsMaximumProtocolVersion: "TLSv1_3",
      ecdhCurves: ["X25519MLKEM768", "X25519", "P-256"],
    },
    tlsCertificates: [
      {
        certificateChain: { inlineString: certificates.certChainPem },
        privateKey: { inlineString: certificates.privateKeyPem.reveal() },
      },
    ],
    validationContext: {
      trustedCa: { inlineString: certificates.bundlePem },
      matchTypedSubjectAltNames: [{ sanType: "URI", matcher: { exact: peer.id } }],
    },
  };
}

function manager(): object {
  return extension("hcm", "filters.network.http_connection_manager.v3.HttpConnectionManager", {
    statPrefix: "h",
    routeConfig: {
      virtualHosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [{ match: { prefix: "/" }, route: { cluster: "next" } }],
        },
      ],
    },
    httpFilters: [extension("router", "filters.http.router.v3.Router", {})],
  });
}

function bootstrap(of: {
  readonly listen: number;
  readonly inspects?: true;
  readonly chain: object;
  readonly cluster: { readonly endpoint: number } & Readonly<Record<string, unknown>>;
}): object {
  const { endpoint, ...cluster } = of.cluster;
  const inspector = extension("inspector", "filters.listener.tls_inspector.v3.TlsInspector", {});
  return {
    staticResources: {
      listeners: [
        {
          name: "in",
          address: address(of.listen),
          ...(of.inspects ? { listenerFilters: [inspector] } : {}),
          filterChains: [of.chain],
        },
      ],
      clusters: [
        {
          name: "next",
          loadAssignment: {
            clusterName: "next",
            endpoints: [{ lbEndpoints: [{ endpoint: { address: address(endpoint) } }] }],
          },
          ...cluster,
        },
      ],
    },
  };
}

function address(portValue: number): object {
  return { socketAddress: { address: "127.0.0.1", portValue } };
}

function socket(type: string, fields: object): object {
  return extension("envoy.transport_sockets.tls", `transport_sockets.tls.v3.${type}`, fields);
}

function extension(name: string, type: string, fields: object): object {
  return {
    name,
    typedConfig: { "@type": `type.googleapis.com/envoy.extensions.${type}`, ...fields },
  };
}
