import { createHash } from "node:crypto";
import {
  createRegistry,
  type DescMessage,
  fromJson,
  type JsonObject,
  toBinary,
} from "@bufbuild/protobuf";
import type { EngineType } from "../../../src/dataplane/config/state.ts";
import { ClusterSchema } from "../../../src/xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ClusterLoadAssignmentSchema } from "../../../src/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { ListenerSchema } from "../../../src/xds/gen/envoy/config/listener/v3/listener_pb.ts";
import { TlsInspectorSchema } from "../../../src/xds/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts";
import { EchoSchema } from "../../../src/xds/gen/envoy/extensions/filters/network/echo/v3/echo_pb.ts";
import { HttpConnectionManagerSchema } from "../../../src/xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { RBACSchema } from "../../../src/xds/gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts";
import { SniClusterSchema } from "../../../src/xds/gen/envoy/extensions/filters/network/sni_cluster/v3/sni_cluster_pb.ts";
import { TcpProxySchema } from "../../../src/xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import { RawBufferSchema } from "../../../src/xds/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.ts";
import { SecretSchema } from "../../../src/xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import {
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from "../../../src/xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";

const registry = createRegistry(
  TlsInspectorSchema,
  EchoSchema,
  HttpConnectionManagerSchema,
  RBACSchema,
  SniClusterSchema,
  TcpProxySchema,
  RawBufferSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
);

export interface TestResource {
  readonly type: EngineType;
  readonly name: string;
  readonly version: string;
  readonly value: Uint8Array;
}

function resource(
  type: EngineType,
  { schema, name, json }: { schema: DescMessage; name: string; json: JsonObject },
): TestResource {
  const value = toBinary(schema, fromJson(schema, json, { registry }));
  return { type, name, version: createHash("sha1").update(value).digest("hex").slice(0, 8), value };
}

export function listener(json: JsonObject & { name: string }): TestResource {
  return resource("listener", { schema: ListenerSchema, name: json.name, json });
}

export function cluster(json: JsonObject & { name: string }): TestResource {
  return resource("cluster", { schema: ClusterSchema, name: json.name, json });
}

export function assignment(json: JsonObject & { clusterName: string }): TestResource {
  return resource("endpoint", {
    schema: ClusterLoadAssignmentSchema,
    name: json.clusterName,
    json,
  });
}

export function validation(
  name: string,
  options: { bundlePem: string; uris?: readonly string[] },
): TestResource {
  const matchTypedSubjectAltNames = (options.uris ?? []).map((exact) => ({
    sanType: "URI",
    matcher: { exact },
  }));
  const json = {
    name,
    validationContext: {
      trustedCa: { inlineString: options.bundlePem },
      matchTypedSubjectAltNames,
    },
  };
  return resource("secret", { schema: SecretSchema, name, json });
}

const typePrefix = "type.googleapis.com/envoy.extensions.";

export function extension(type: string, fields: JsonObject = {}): JsonObject {
  return { name: type, typedConfig: { "@type": `${typePrefix}${type}`, ...fields } };
}

export function address(port: number, host = "127.0.0.1"): JsonObject {
  return { socketAddress: { address: host, portValue: port } };
}

const ads = { ads: {}, resourceApiVersion: "V3" };
const identitySecret = {
  name: "identity",
  sdsConfig: { pathConfigSource: { path: "identity/sds.json" } },
};

export function downstreamTls(secret = "validation|mesh"): JsonObject {
  return extension("transport_sockets.tls.v3.DownstreamTlsContext", {
    requireClientCertificate: true,
    commonTlsContext: {
      tlsCertificateSdsSecretConfigs: [identitySecret],
      validationContextSdsSecretConfig: { name: secret, sdsConfig: ads },
    },
  });
}

export function upstreamTls({ secret, sni }: { secret: string; sni: string }): JsonObject {
  return extension("transport_sockets.tls.v3.UpstreamTlsContext", {
    sni,
    commonTlsContext: {
      tlsCertificateSdsSecretConfigs: [identitySecret],
      combinedValidationContext: {
        defaultValidationContext: {},
        validationContextSdsSecretConfig: { name: secret, sdsConfig: ads },
      },
    },
  });
}

export function tcpProxy(clusterName: string, fields: JsonObject = {}): JsonObject {
  return extension("filters.network.tcp_proxy.v3.TcpProxy", {
    statPrefix: "t",
    cluster: clusterName,
    ...fields,
  });
}

export function allow(...principals: JsonObject[]): JsonObject {
  return extension("filters.network.rbac.v3.RBAC", {
    statPrefix: "t",
    rules: {
      action: "ALLOW",
      policies: {
        callers: {
          permissions: [{ any: true }],
          principals: principals.map((principalName) => ({ authenticated: { principalName } })),
        },
      },
    },
  });
}

export const sniCluster: JsonObject = extension("filters.network.sni_cluster.v3.SniCluster");
export const tlsInspector = (fields: JsonObject = {}): JsonObject =>
  extension("filters.listener.tls_inspector.v3.TlsInspector", fields);

export function edsCluster(name: string, fields: JsonObject = {}): TestResource {
  const defaults = {
    type: "EDS",
    edsClusterConfig: { edsConfig: ads },
    connectTimeout: "0.5s",
    lbPolicy: "ROUND_ROBIN",
  };
  return cluster({ name, ...defaults, ...fields });
}

export interface TestHost {
  readonly port: number;
  readonly host?: string;
  readonly health?: string;
  readonly weight?: number;
  readonly mtls?: boolean;
}

export function hosts(
  clusterName: string,
  ...levels: readonly (readonly TestHost[])[]
): TestResource {
  return assignment({
    clusterName,
    endpoints: levels.map((level, priority) => ({
      priority,
      locality: { zone: `z${priority}` },
      loadBalancingWeight: 1,
      lbEndpoints: level.map(({ port, host, health, weight, mtls }) => ({
        endpoint: { address: address(port, host) },
        healthStatus: health ?? "HEALTHY",
        loadBalancingWeight: weight ?? 1,
        ...(mtls === true
          ? { metadata: { filterMetadata: { "envoy.transport_socket_match": { mtls: "true" } } } }
          : {}),
      })),
    })),
  });
}

/** The door of a gateway, as the agent builds it. */
export function gatewayListener(
  port: number,
  options: { probeSni: string; agents: readonly string[] },
): TestResource {
  return listener({
    name: "gateway",
    address: address(port),
    listenerFiltersTimeout: "1s",
    listenerFilters: [tlsInspector({ closeConnectionOnClientHelloParsingErrors: true })],
    filterChains: [
      {
        filterChainMatch: { serverNames: ["*.cluster.local", "*.clusterset.local"] },
        filters: [sniCluster, tcpProxy("none", { maxConnectAttempts: 3 })],
      },
      {
        filterChainMatch: { serverNames: [options.probeSni] },
        transportSocket: downstreamTls(),
        filters: [
          allow(...options.agents.map((exact) => ({ exact }))),
          extension("filters.network.echo.v3.Echo", {}),
        ],
      },
    ],
  });
}
