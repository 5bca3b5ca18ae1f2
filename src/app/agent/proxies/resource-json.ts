import { fromBinary, type JsonValue, toJson } from "@bufbuild/protobuf";
import { reasonOf } from "../../../mesh/errors.ts";
import { extensions } from "../../../proxy/resources/extensions.ts";
import { valueOf } from "../../../xds/encode.ts";
import type { Resource } from "../../../xds/resource.ts";
import { schemas } from "../../../xds/schemas.ts";

/** A resource in the JSON form that Envoy itself prints. */
export function resourceJson(resource: Resource): JsonValue {
  const schema = schemas[resource.type];
  try {
    return toJson(schema, fromBinary(schema, valueOf(resource)), { registry: extensions });
  } catch (thrown) {
    return { unreadable: reasonOf(thrown) };
  }
}
