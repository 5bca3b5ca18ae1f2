import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { Any, Duration } from "@bufbuild/protobuf/wkt";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { HostPort } from "../../mesh/address.ts";
import type { Address } from "../../xds/gen/envoy/config/core/v3/address_pb.ts";
import { AddressSchema } from "../../xds/gen/envoy/config/core/v3/address_pb.ts";
import type { ConfigSource } from "../../xds/gen/envoy/config/core/v3/config_source_pb.ts";
import {
  ApiVersion,
  ConfigSourceSchema,
} from "../../xds/gen/envoy/config/core/v3/config_source_pb.ts";
import { pack } from "../../xds/pack.ts";
import { shared } from "../../xds/shared.ts";

/** An extension as filters, sockets and retry plugins all carry it: a name and a typed config. */
export interface Extension {
  readonly name: string;
  readonly configType: { readonly case: "typedConfig"; readonly value: Any };
}

export function extension<D extends DescMessage>(
  name: string,
  schema: D,
  init: MessageInitShape<D> = {} as MessageInitShape<D>,
): Extension {
  return { name, configType: { case: "typedConfig", value: pack(schema, init) } };
}

export function socketAddress(address: HostPort): Address {
  return create(AddressSchema, {
    address: {
      case: "socketAddress",
      value: { address: address.host, portSpecifier: { case: "portValue", value: address.port } },
    },
  });
}

export function ms(durationMs: number): Duration {
  return durationFromMs(durationMs);
}

/**
 * "Ask the stream this resource came on", and wait for as long as it takes: after Envoy's own 15 s one whose agent
 * hangs while it starts would open listeners that answer 503 and 404. What an agent does not have it says at once.
 */
export const adsSource: ConfigSource = shared(ConfigSourceSchema, {
  configSourceSpecifier: { case: "ads", value: {} },
  resourceApiVersion: ApiVersion.V3,
  initialFetchTimeout: ms(0),
});
