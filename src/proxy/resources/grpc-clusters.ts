import { create } from "@bufbuild/protobuf";
import type { SpiffeId } from "../../mesh/ids.ts";
import { outboundName, sniOf } from "../../mesh/names.ts";
import { CircuitBreakersSchema } from "../../xds/gen/envoy/config/cluster/v3/circuit_breaker_pb.ts";
import type { Cluster } from "../../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import {
  Cluster_DiscoveryType,
  ClusterSchema,
} from "../../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { UpstreamTlsContextSchema } from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { shared } from "../../xds/shared.ts";
import { maxInFlight } from "../settings.ts";
import type { TargetPlan } from "../targets.ts";
import type { Extension } from "./wire.ts";
import { adsSource, extension } from "./wire.ts";

/** Under this name the bootstrap of a gRPC program says where its SVID and the bundle are. */
const grpcCertificateProvider = "isthmus";

// The library's own default of 1,024 refuses calls in a failover.
const circuitBreakers = shared(CircuitBreakersSchema, {
  thresholds: [{ maxRequests: maxInFlight }],
});

/** `peers`: who may answer; undefined: in the clear. */
export function grpcCluster(plan: TargetPlan, peers: readonly SpiffeId[] | undefined): Cluster {
  return create(ClusterSchema, {
    name: outboundName(plan.target),
    clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: adsSource },
    circuitBreakers,
    ...(peers === undefined ? {} : { transportSocket: tlsTowards(plan, peers) }),
  });
}

/**
 * gRFC A29: keys and roots are the program's own files, names are told here. Only newer libraries (gRFC A101)
 * take the SNI from here; the others send the name of the channel's target.
 */
function tlsTowards(plan: TargetPlan, peers: readonly SpiffeId[]): Extension {
  const provider = { instanceName: grpcCertificateProvider };
  return extension("envoy.transport_sockets.tls", UpstreamTlsContextSchema, {
    sni: sniOf(plan.target),
    commonTlsContext: {
      tlsCertificateProviderInstance: provider,
      validationContextType: {
        case: "validationContext",
        value: {
          caCertificateProviderInstance: provider,
          // The typed list that proxies use is unknown to these clients: they would accept any name.
          matchSubjectAltNames: peers.map((id) => ({
            matchPattern: { case: "exact" as const, value: id as string },
          })),
        },
      },
    },
  });
}
