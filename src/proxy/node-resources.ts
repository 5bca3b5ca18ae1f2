import type { Cluster } from "../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import type { Listener } from "../xds/gen/envoy/config/listener/v3/listener_pb.ts";
import type { Capture } from "./capture.ts";
import type { CapturedPort } from "./captured-ports.ts";
import type { SidecarNode } from "./node.ts";
import { capturedAppClusters, capturedInboundListener } from "./resources/captured-inbound.ts";
import { capturedOutboundListener } from "./resources/captured-outbound.ts";
import type { InboundProtocolOf } from "./resources/inbound-listeners.ts";
import { inboundClusters, inboundListeners } from "./resources/inbound-listeners.ts";
import { blackHoleCluster, passthroughCluster } from "./resources/original-dst-clusters.ts";
import type { ProtocolOf } from "./resources/outbound-listeners.ts";
import { outboundListeners } from "./resources/outbound-listeners.ts";
import type { Draft, Sealed } from "./seal.ts";
import { seal } from "./seal.ts";
import type { TrustView } from "./trust-view.ts";

export interface SidecarContext {
  readonly trust: TrustView;
  readonly outboundProtocolOf: ProtocolOf;
  readonly inboundProtocolOf: InboundProtocolOf;
  /** Where services lead by a captured node's own addresses. */
  readonly capturedPorts: (capture: Capture) => readonly CapturedPort[];
}

/** What only this sidecar gets: its listeners and the applications behind them. */
export function sidecarNodeResources(node: SidecarNode, context: SidecarContext): Sealed {
  const { trust, outboundProtocolOf, inboundProtocolOf } = context;
  const captured = capturedNodeMessages(node, context);
  const listeners = [
    ...outboundListeners(node, { protocolOf: outboundProtocolOf, trust }),
    ...inboundListeners(node, { trust, protocolOf: inboundProtocolOf }),
    ...captured.listeners,
  ];
  const clusters = [...inboundClusters(node, inboundProtocolOf), ...captured.clusters];
  const drafts: Draft[] = [
    ...clusters.map((message): Draft => ({ t: "cluster", message })),
    ...listeners.map((message): Draft => ({ t: "listener", message })),
  ];
  return seal(drafts);
}

function capturedNodeMessages(
  node: SidecarNode,
  { trust, capturedPorts }: SidecarContext,
): { readonly listeners: readonly Listener[]; readonly clusters: readonly Cluster[] } {
  const { capture } = node;
  if (capture === undefined) return { listeners: [], clusters: [] };
  const inbound = { capture, ports: capturedPorts(capture), trust };
  return {
    listeners: [capturedOutboundListener(capture), capturedInboundListener(node, inbound)],
    clusters: [
      ...(capture.unknown === "pass" ? [passthroughCluster()] : []),
      blackHoleCluster(),
      ...capturedAppClusters(inbound),
    ],
  };
}
