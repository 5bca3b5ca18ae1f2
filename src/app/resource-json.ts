import { type DescMessage, fromBinary, type JsonValue, toJson } from "@bufbuild/protobuf";
import { reasonOf } from "../mesh/errors.ts";
import { extensions } from "../proxy/resources/extensions.ts";
import { ClusterSchema } from "../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ClusterLoadAssignmentSchema } from "../xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { ListenerSchema } from "../xds/gen/envoy/config/listener/v3/listener_pb.ts";
import { RouteConfigurationSchema } from "../xds/gen/envoy/config/route/v3/route_pb.ts";
import { SecretSchema } from "../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import type { Resource, XdsType } from "../xds/resource.ts";

const schemas: Readonly<Record<XdsType, DescMessage>> = {
  cluster: ClusterSchema,
  endpoint: ClusterLoadAssignmentSchema,
  secret: SecretSchema,
  listener: ListenerSchema,
  route: RouteConfigurationSchema,
};

/** A resource in the JSON form that Envoy itself prints. */
export function resourceJson(resource: Pick<Resource, "type" | "value">): JsonValue {
  const schema = schemas[resource.type];
  try {
    return toJson(schema, fromBinary(schema, resource.value), { registry: extensions });
  } catch (thrown) {
    return { unreadable: reasonOf(thrown) };
  }
}
