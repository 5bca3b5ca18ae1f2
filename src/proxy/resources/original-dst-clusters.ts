import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { ServiceTarget } from "../../mesh/names.ts";
import { hostOf } from "../../mesh/names.ts";
import type { AppProtocol } from "../../mesh/service.ts";
import type { Cluster } from "../../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import {
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  ClusterSchema,
} from "../../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { BindConfigSchema } from "../../xds/gen/envoy/config/core/v3/address_pb.ts";
import { shared } from "../../xds/shared.ts";
import type { ProxySettings } from "../settings.ts";
import { everyUpstream, timeouts } from "./cluster-settings.ts";
import { appOptions, everyApp } from "./inbound-listeners.ts";
import { upstreamTls } from "./tls.ts";
import { ms } from "./wire.ts";

// The first three names are Istio's.
export const passthroughName = "PassthroughCluster";
export const blackHoleName = "BlackHoleCluster";
export const inboundPassthroughName = "InboundPassthroughCluster";

/** To whatever the application dialled, as it is. */
export function passthroughCluster(): Cluster {
  return originalDst(passthroughName, { ...everyUpstream, connectTimeout: ms(10_000) });
}

/** To nobody: connections end. */
export function blackHoleCluster(): Cluster {
  return create(ClusterSchema, {
    name: blackHoleName,
    clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.STATIC },
    connectTimeout: ms(1_000),
  });
}

/** mTLS with the very workload that was dialled: what a headless service is for. */
export function directCluster(target: ServiceTarget, settings: ProxySettings): Cluster {
  const tls = { ...everyUpstream, ...timeouts(settings), transportSocket: upstreamTls(target) };
  return originalDst(directName(target), tls);
}

/** `direct|5432||db.shop.svc.cluster.local` */
export function directName(target: ServiceTarget): string {
  return `direct|${target.port}||${hostOf(target)}`;
}

/** To the application, at the address and port that its caller dialled. */
export function capturedAppCluster(name: string, protocol: AppProtocol): Cluster {
  return originalDst(name, {
    ...everyApp,
    ...appOptions(protocol),
    upstreamBindConfig: fromSidecar,
  });
}

/**
 * Tells these connections from the sidecar's own to the workload's other services, which have to come in as
 * everybody's: the rules of the kernel let through what comes from here. No address of its own is needed for
 * IPv6: a machine has one on its loopback.
 */
export const sidecarSources = { v4: "127.0.0.6", v6: "::1" } as const;

const fromSidecar = shared(BindConfigSchema, {
  sourceAddress: { address: sidecarSources.v4, portSpecifier: { case: "portValue", value: 0 } },
  extraSourceAddresses: [
    { address: { address: sidecarSources.v6, portSpecifier: { case: "portValue", value: 0 } } },
  ],
});

function originalDst(name: string, more: MessageInitShape<typeof ClusterSchema>): Cluster {
  return create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.ORIGINAL_DST },
    lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
    ...more,
  });
}
