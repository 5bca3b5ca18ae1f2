// Resources as JSON with readable extensions, as they stand in Envoy's documentation.

import type { JsonValue } from "@bufbuild/protobuf";
import { fromBinary, toJson } from "@bufbuild/protobuf";
import { extensions } from "../../src/proxy/resources/extensions.ts";
import { valueOf } from "../../src/xds/encode.ts";
import type { Resource } from "../../src/xds/resource.ts";
import { schemas } from "../../src/xds/schemas.ts";

export function readable(resource: Resource): JsonValue {
  const schema = schemas[resource.type];
  return toJson(schema, fromBinary(schema, valueOf(resource)), { registry: extensions });
}
