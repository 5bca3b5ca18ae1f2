// Resources as JSON with readable extensions, as they stand in Envoy's documentation.
import type { DescMessage, JsonValue, Registry } from "@bufbuild/protobuf";
import { createRegistry, fromBinary, toJson } from "@bufbuild/protobuf";
import { ClusterSchema } from "../../src/xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ClusterLoadAssignmentSchema } from "../../src/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { ListenerSchema } from "../../src/xds/gen/envoy/config/listener/v3/listener_pb.ts";
import { RouteConfigurationSchema } from "../../src/xds/gen/envoy/config/route/v3/route_pb.ts";
import { RouterSchema } from "../../src/xds/gen/envoy/extensions/filters/http/router/v3/router_pb.ts";
import { TlsInspectorSchema } from "../../src/xds/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts";
import { ConfigSchema } from "../../src/xds/gen/envoy/extensions/filters/network/direct_response/v3/config_pb.ts";
import { HttpConnectionManagerSchema } from "../../src/xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { RBACSchema } from "../../src/xds/gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts";
import { SniClusterSchema } from "../../src/xds/gen/envoy/extensions/filters/network/sni_cluster/v3/sni_cluster_pb.ts";
import { TcpProxySchema } from "../../src/xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import { PreviousHostsPredicateSchema } from "../../src/xds/gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.ts";
import { PreviousPrioritiesConfigSchema } from "../../src/xds/gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.ts";
import { RawBufferSchema } from "../../src/xds/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.ts";
import { SecretSchema } from "../../src/xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import {
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from "../../src/xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { HttpProtocolOptionsSchema } from "../../src/xds/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts";
import type { Resource, XdsType } from "../../src/xds/resource.ts";

const schemas: Readonly<Record<XdsType, DescMessage>> = {
  cluster: ClusterSchema,
  endpoint: ClusterLoadAssignmentSchema,
  secret: SecretSchema,
  listener: ListenerSchema,
  route: RouteConfigurationSchema,
};

const registry: Registry = createRegistry(
  ConfigSchema,
  DownstreamTlsContextSchema,
  HttpConnectionManagerSchema,
  HttpProtocolOptionsSchema,
  PreviousHostsPredicateSchema,
  PreviousPrioritiesConfigSchema,
  RBACSchema,
  RawBufferSchema,
  RouterSchema,
  SniClusterSchema,
  TcpProxySchema,
  TlsInspectorSchema,
  UpstreamTlsContextSchema,
);

export function readable(resource: Resource): JsonValue {
  const schema = schemas[resource.type];
  return toJson(schema, fromBinary(schema, resource.value), { registry });
}
