import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import type { AppProtocol } from "../../mesh/service.ts";
import type { Http2ProtocolOptionsSchema } from "../../xds/gen/envoy/config/core/v3/protocol_pb.ts";
import { HttpProtocolOptionsSchema } from "../../xds/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts";
import { pack } from "../../xds/pack.ts";
import { shared } from "../../xds/shared.ts";
import type { ProxySettings } from "../settings.ts";
import {
  maxConnectionAgeMs,
  maxRequestsPerConnection,
  pingIntervalMs,
  pingTimeoutMs,
} from "../settings.ts";
import { remembered } from "./remembered.ts";
import { ms } from "./wire.ts";

type ProtocolOptions = Record<string, Any>;

/**
 * How an HTTP proxy speaks to the hosts; one that forwards bytes ignores it. To plain HTTP services HTTP/2
 * is offered (ALPN): a far sidecar that speaks HTTP takes it, one that forwards bytes chooses what its
 * application speaks. Envoy refuses to negotiate where some host is spoken to in the clear.
 */
export function upstreamHttp(
  protocol: AppProtocol,
  at: { readonly settings: ProxySettings; readonly hasPlain: boolean },
): ProtocolOptions {
  switch (protocol) {
    case "tcp":
      return {};
    case "http":
      return at.hasPlain ? http1Options : negotiated(pingTimeoutMs(at.settings));
    case "http2":
    case "grpc":
      return http2Options(pingTimeoutMs(at.settings));
  }
}

/** The application gets the protocol that it speaks, whatever the sidecars speak with each other. */
export function appProtocolOptions(protocol: Exclude<AppProtocol, "tcp">): ProtocolOptions {
  const protocolConfig =
    protocol === "http"
      ? ({ case: "httpProtocolOptions", value: {} } as const)
      : ({ case: "http2ProtocolOptions", value: http2Extras } as const);
  const options = pack(HttpProtocolOptionsSchema, {
    upstreamProtocolOptions: { case: "explicitHttpConfig", value: { protocolConfig } },
  });
  return { [httpOptionsName]: options };
}

/** Between sidecars, and to applications, a WebSocket travels inside HTTP/2 (RFC 8441). */
export const http2Extras = { allowConnect: true } as const;

type Chosen = NonNullable<
  MessageInitShape<typeof HttpProtocolOptionsSchema>["upstreamProtocolOptions"]
>;

const httpOptionsName = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

const http1Options = httpOptionsWith({
  case: "explicitHttpConfig",
  value: { protocolConfig: { case: "httpProtocolOptions", value: {} } },
});

const http2Options = remembered((timeoutMs: number) =>
  httpOptionsWith({
    case: "explicitHttpConfig",
    value: { protocolConfig: { case: "http2ProtocolOptions", value: http2With(timeoutMs) } },
  }),
);

const negotiated = remembered((timeoutMs: number) =>
  httpOptionsWith({
    case: "autoConfig",
    value: { httpProtocolOptions: {}, http2ProtocolOptions: http2With(timeoutMs) },
  }),
);

function http2With(timeoutMs: number): MessageInitShape<typeof Http2ProtocolOptionsSchema> {
  return {
    // Goes end to end through gateways: the only thing that finds a hung process behind one.
    connectionKeepalive: { interval: ms(pingIntervalMs), timeout: ms(timeoutMs) },
    ...http2Extras,
  };
}

function httpOptionsWith(upstreamProtocolOptions: Chosen): ProtocolOptions {
  const options = pack(HttpProtocolOptionsSchema, {
    commonHttpProtocolOptions: {
      maxRequestsPerConnection,
      maxConnectionDuration: ms(maxConnectionAgeMs),
    },
    upstreamProtocolOptions,
  });
  return { [httpOptionsName]: shared(AnySchema, options) };
}
