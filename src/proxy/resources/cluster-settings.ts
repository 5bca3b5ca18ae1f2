import { create } from "@bufbuild/protobuf";
import type { Cluster } from "../../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import {
  Cluster_DiscoveryType,
  ClusterSchema,
} from "../../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import type { OutlierDetection } from "../../xds/gen/envoy/config/cluster/v3/outlier_detection_pb.ts";
import { OutlierDetectionSchema } from "../../xds/gen/envoy/config/cluster/v3/outlier_detection_pb.ts";
import type { SocketOption } from "../../xds/gen/envoy/config/core/v3/socket_option_pb.ts";
import {
  SocketOption_SocketState,
  SocketOptionSchema,
} from "../../xds/gen/envoy/config/core/v3/socket_option_pb.ts";
import type { ProxySettings } from "../settings.ts";
import { maxInFlight, panicThresholdPercent } from "../settings.ts";
import { adsSource, ms } from "./wire.ts";

/** What every EDS cluster of ours shares, sidecar's and gateway's. */
export function edsCluster(name: string, settings: ProxySettings): Cluster {
  return create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: adsSource() },
    connectTimeout: ms(settings.connectTimeoutMs),
    commonLbConfig: {
      // The default of 1 s delays ejection: hundreds of failures instead of a few.
      updateMergeWindow: ms(0),
      healthyPanicThreshold: { value: panicThresholdPercent },
      localityConfigSpecifier: { case: "localityWeightedLbConfig", value: {} },
    },
    circuitBreakers: {
      thresholds: [
        {
          maxConnections: maxInFlight,
          maxPendingRequests: maxInFlight,
          maxRequests: maxInFlight,
          maxRetries: maxInFlight,
        },
      ],
    },
    upstreamConnectionOptions: {
      tcpKeepalive: { keepaliveProbes: 3, keepaliveTime: 5, keepaliveInterval: 1 },
    },
    upstreamBindConfig: { socketOptions: [tcpUserTimeout(2 * settings.connectTimeoutMs)] },
    // Health in an assignment closes no connection, ejection does.
    closeConnectionsOnHostHealthFailure: true,
    trackClusterStats: { perEndpointStats: true },
  });
}

/** Linux's IPPROTO_TCP, TCP_USER_TIMEOUT: finds a blackhole under an established connection. */
function tcpUserTimeout(timeoutMs: number): SocketOption {
  return create(SocketOptionSchema, {
    description: "TCP_USER_TIMEOUT",
    level: 6n,
    name: 18n,
    value: { case: "intValue", value: BigInt(timeoutMs) },
    state: SocketOption_SocketState.STATE_PREBIND,
  });
}

/**
 * Ejects hosts that cannot be connected to. Outlier detection is a property of the whole Envoy
 * cluster, so answers are judged only where no host can be a gateway: one failing workload behind it
 * must not take away the others.
 */
export function outlierDetection(hosts: { readonly mayBeGateways: boolean }): OutlierDetection {
  return create(OutlierDetectionSchema, {
    splitExternalLocalOriginErrors: true,
    consecutiveLocalOriginFailure: 2,
    enforcingConsecutiveLocalOriginFailure: 100,
    enforcingConsecutive5xx: 0,
    consecutiveGatewayFailure: 5,
    enforcingConsecutiveGatewayFailure: hosts.mayBeGateways ? 0 : 100,
    enforcingSuccessRate: 0,
    enforcingLocalOriginSuccessRate: 0,
    interval: ms(1_000),
    baseEjectionTime: ms(5_000),
    maxEjectionTime: ms(30_000),
    maxEjectionPercent: 100,
  });
}
