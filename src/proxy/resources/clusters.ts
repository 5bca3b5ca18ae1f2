import { create } from "@bufbuild/protobuf";
import type { MeshService } from "../../discovery/mesh-service.ts";
import type { ServiceTarget } from "../../mesh/names.ts";
import { outboundName } from "../../mesh/names.ts";
import { appProtocolOf } from "../../mesh/service.ts";
import type {
  Cluster,
  Cluster_TransportSocketMatch,
} from "../../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { Cluster_TransportSocketMatchSchema } from "../../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { TransportSocketSchema } from "../../xds/gen/envoy/config/core/v3/base_pb.ts";
import { RawBufferSchema } from "../../xds/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.ts";
import { shared } from "../../xds/shared.ts";
import type { ProxySettings } from "../settings.ts";
import { hasPlainHosts, type TargetPlan } from "../targets.ts";
import { edsCluster, leastRequests, outlierDetection } from "./cluster-settings.ts";
import { upstreamTls } from "./tls.ts";
import { upstreamHttp } from "./upstream-http.ts";
import { extension } from "./wire.ts";

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
  const hasPlain = hasPlainHosts(plan.local, plan.port);
  const protocol = appProtocolOf(plan.port);
  if (protocol !== "tcp") Object.assign(cluster, leastRequests);
  if (protocol === "http" && !hasPlain) {
    // Envoy negotiates the protocol only where no socket of the cluster is in the clear.
    cluster.transportSocket = create(TransportSocketSchema, upstreamTls(plan.target));
  } else {
    cluster.transportSocketMatches = [mtlsMatch(plan.target), plaintextMatch];
  }
  cluster.typedExtensionProtocolOptions = upstreamHttp(protocol, { settings, hasPlain });
  return cluster;
}

function mtlsMatch(target: ServiceTarget): Cluster_TransportSocketMatch {
  return create(Cluster_TransportSocketMatchSchema, {
    name: "mtls",
    match: { mtls: "true" },
    transportSocket: upstreamTls(target),
  });
}

const plaintextMatch = shared(Cluster_TransportSocketMatchSchema, {
  name: "plaintext",
  match: {},
  transportSocket: extension("envoy.transport_sockets.raw_buffer", RawBufferSchema),
});
