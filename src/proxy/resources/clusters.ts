import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import type { MeshService } from "../../discovery/mesh-service.ts";
import { outboundName } from "../../mesh/names.ts";
import type { AppProtocol } from "../../mesh/service.ts";
import { appProtocolOf } from "../../mesh/service.ts";
import type { Cluster } from "../../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { Cluster_TransportSocketMatchSchema } from "../../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { RawBufferSchema } from "../../xds/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.ts";
import {
  type HttpProtocolOptions_ExplicitHttpConfigSchema,
  HttpProtocolOptionsSchema,
} from "../../xds/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts";
import { pack } from "../../xds/pack.ts";
import { shared } from "../../xds/shared.ts";
import type { ProxySettings } from "../settings.ts";
import { maxRequestsPerConnection } from "../settings.ts";
import type { TargetPlan } from "../targets.ts";
import { edsCluster, outlierDetection } from "./cluster-settings.ts";
import { remembered } from "./remembered.ts";
import { upstreamTls } from "./tls.ts";
import { extension, ms } from "./wire.ts";

/** The CDS answer of one target. It depends on no endpoint, so that endpoints come and go for free. */
export function sidecarCluster(
  service: MeshService,
  options: { readonly plan: TargetPlan; readonly settings: ProxySettings },
): Cluster {
  const { plan, settings } = options;
  const cluster = edsCluster(outboundName(plan.target), settings);
  const isMeshName = plan.target.suffix === "svc.clusterset.local";
  cluster.outlierDetection = outlierDetection({
    mayBeGateways: isMeshName || service.isLocalNameShared,
  });
  cluster.transportSocketMatches = [
    create(Cluster_TransportSocketMatchSchema, {
      name: "mtls",
      match: { mtls: "true" },
      transportSocket: upstreamTls(plan.target),
    }),
    plaintextMatch,
  ];
  const http = httpOptions(appProtocolOf(plan.port), settings);
  if (http !== undefined) cluster.typedExtensionProtocolOptions = { [httpOptionsName]: http };
  return cluster;
}

const plaintextMatch = shared(Cluster_TransportSocketMatchSchema, {
  name: "plaintext",
  match: {},
  transportSocket: extension("envoy.transport_sockets.raw_buffer", RawBufferSchema),
});

const httpOptionsName = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/**
 * How an HTTP proxy speaks to the hosts; one that forwards bytes ignores it. HTTP/2 only where the
 * application itself speaks it: the far sidecar may be one that only forwards bytes, and negotiation
 * (ALPN) is refused by Envoy for clusters with a plaintext socket match.
 */
function httpOptions(protocol: AppProtocol, settings: ProxySettings): Any | undefined {
  switch (protocol) {
    case "tcp":
      return undefined;
    case "http":
      return http1Options;
    case "http2":
    case "grpc":
      return http2Options(settings.connectTimeoutMs);
  }
}

const http1Options = httpOptionsWith({ case: "httpProtocolOptions", value: {} });

const http2Options = remembered((connectTimeoutMs: number) =>
  httpOptionsWith({
    case: "http2ProtocolOptions",
    // Goes end to end through gateways: the only thing that finds a hung process behind one.
    value: { connectionKeepalive: { interval: ms(1_000), timeout: ms(connectTimeoutMs) } },
  }),
);

type ExplicitProtocol = NonNullable<
  MessageInitShape<typeof HttpProtocolOptions_ExplicitHttpConfigSchema>["protocolConfig"]
>;

function httpOptionsWith(protocolConfig: ExplicitProtocol): Any {
  const options = pack(HttpProtocolOptionsSchema, {
    commonHttpProtocolOptions: { maxRequestsPerConnection },
    upstreamProtocolOptions: { case: "explicitHttpConfig", value: { protocolConfig } },
  });
  return shared(AnySchema, options);
}
