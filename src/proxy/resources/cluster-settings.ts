import { create } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { CircuitBreakersSchema } from "../../xds/gen/envoy/config/cluster/v3/circuit_breaker_pb.ts";
import type { Cluster } from "../../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import {
  Cluster_CommonLbConfigSchema,
  Cluster_DiscoveryType,
  Cluster_EdsClusterConfigSchema,
  Cluster_LbPolicy,
  Cluster_LeastRequestLbConfigSchema,
  ClusterSchema,
  UpstreamConnectionOptionsSchema,
} from "../../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import type { OutlierDetection } from "../../xds/gen/envoy/config/cluster/v3/outlier_detection_pb.ts";
import { OutlierDetectionSchema } from "../../xds/gen/envoy/config/cluster/v3/outlier_detection_pb.ts";
import { BindConfigSchema } from "../../xds/gen/envoy/config/core/v3/address_pb.ts";
import type { SocketOption } from "../../xds/gen/envoy/config/core/v3/socket_option_pb.ts";
import {
  SocketOption_SocketState,
  SocketOptionSchema,
} from "../../xds/gen/envoy/config/core/v3/socket_option_pb.ts";
import { shared } from "../../xds/shared.ts";
import type { ProxySettings } from "../settings.ts";
import { maxInFlight, panicThresholdPercent, tcpKeepalive, tcpUserTimeoutMs } from "../settings.ts";
import { remembered } from "./remembered.ts";
import { adsSource, ms } from "./wire.ts";

/** What every EDS cluster of ours shares, sidecar's and gateway's. */
export function edsCluster(name: string, settings: ProxySettings): Cluster {
  return create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
    ...everyCluster,
    ...everyUpstream,
    ...timeouts(settings),
    // Health in an assignment closes no connection, ejection does.
    closeConnectionsOnHostHealthFailure: true,
  });
}

const everyCluster = {
  edsClusterConfig: shared(Cluster_EdsClusterConfigSchema, { edsConfig: adsSource }),
  commonLbConfig: shared(Cluster_CommonLbConfigSchema, {
    // The default of 1 s delays ejection: hundreds of failures instead of a few.
    updateMergeWindow: ms(0),
    healthyPanicThreshold: { value: panicThresholdPercent },
    localityConfigSpecifier: { case: "localityWeightedLbConfig", value: {} },
  }),
};

/** What every way out has, however its hosts are found. */
export const everyUpstream: Pick<Cluster, "circuitBreakers" | "upstreamConnectionOptions"> = {
  circuitBreakers: shared(CircuitBreakersSchema, {
    thresholds: [
      {
        maxConnections: maxInFlight,
        maxPendingRequests: maxInFlight,
        maxRequests: maxInFlight,
        maxRetries: maxInFlight,
      },
    ],
  }),
  upstreamConnectionOptions: shared(UpstreamConnectionOptionsSchema, {
    tcpKeepalive,
  }),
};

/** How long another sidecar is waited for. */
export const timeouts: (
  settings: ProxySettings,
) => Pick<Cluster, "connectTimeout" | "upstreamBindConfig"> = remembered((settings) => ({
  connectTimeout: shared(DurationSchema, ms(settings.connectTimeoutMs)),
  upstreamBindConfig: shared(BindConfigSchema, {
    socketOptions: [tcpUserTimeout(tcpUserTimeoutMs(settings))],
  }),
}));

/**
 * Of two drawn hosts the one with fewer requests under way: one that hangs keeps those that it has, and gets few
 * besides until it is found. Where hosts weigh differently (gateways), their weights alone decide. Not for bytes:
 * what fails at once has nothing under way, and bytes cannot be sent again.
 */
export const leastRequests: Pick<Cluster, "lbConfig" | "lbPolicy"> = {
  lbPolicy: Cluster_LbPolicy.LEAST_REQUEST,
  lbConfig: {
    case: "leastRequestLbConfig",
    value: shared(Cluster_LeastRequestLbConfigSchema, {
      activeRequestBias: { defaultValue: 0, runtimeKey: "isthmus.active_request_bias" },
    }),
  },
};

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
  return hosts.mayBeGateways ? connectOutliers : answerOutliers;
}

const connectOutliers = outliers({ enforcingConsecutiveGatewayFailure: 0 });
const answerOutliers = outliers({ enforcingConsecutiveGatewayFailure: 100 });

function outliers(judged: {
  readonly enforcingConsecutiveGatewayFailure: number;
}): OutlierDetection {
  return shared(OutlierDetectionSchema, {
    splitExternalLocalOriginErrors: true,
    consecutiveLocalOriginFailure: 2,
    enforcingConsecutiveLocalOriginFailure: 100,
    enforcingConsecutive5xx: 0,
    consecutiveGatewayFailure: 5,
    ...judged,
    enforcingSuccessRate: 0,
    enforcingLocalOriginSuccessRate: 0,
    interval: ms(1_000),
    baseEjectionTime: ms(5_000),
    maxEjectionTime: ms(30_000),
    maxEjectionPercent: 100,
  });
}
