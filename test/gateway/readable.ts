// Resources as JSON with readable extensions, as they stand in Envoy's documentation.
import type { DescMessage, JsonValue } from "@bufbuild/protobuf";
import { fromBinary, toJson } from "@bufbuild/protobuf";
import { extensions } from "../../src/proxy/resources/extensions.ts";
import { ClusterSchema } from "../../src/xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ClusterLoadAssignmentSchema } from "../../src/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { ListenerSchema } from "../../src/xds/gen/envoy/config/listener/v3/listener_pb.ts";
import { RouteConfigurationSchema } from "../../src/xds/gen/envoy/config/route/v3/route_pb.ts";
import { SecretSchema } from "../../src/xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import type { Resource, XdsType } from "../../src/xds/resource.ts";

const schemas: Readonly<Record<XdsType, DescMessage>> = {
  cluster: ClusterSchema,
  endpoint: ClusterLoadAssignmentSchema,
  secret: SecretSchema,
  listener: ListenerSchema,
  route: RouteConfigurationSchema,
};

export function readable(resource: Resource): JsonValue {
  const schema = schemas[resource.type];
  return toJson(schema, fromBinary(schema, resource.value), { registry: extensions });
}
