import type { SidecarNode } from "./node.ts";
import type { InboundProtocolOf } from "./resources/inbound-listeners.ts";
import { inboundClusters, inboundListeners } from "./resources/inbound-listeners.ts";
import type { ProtocolOf } from "./resources/outbound-listeners.ts";
import { outboundListeners } from "./resources/outbound-listeners.ts";
import type { Draft, Sealed } from "./seal.ts";
import { seal } from "./seal.ts";
import type { TrustView } from "./trust-view.ts";

export interface SidecarContext {
  readonly trust: TrustView;
  readonly outboundProtocolOf: ProtocolOf;
  readonly inboundProtocolOf: InboundProtocolOf;
}

/** What only this sidecar gets: its listeners and the applications behind them. */
export function sidecarNodeResources(node: SidecarNode, context: SidecarContext): Sealed {
  const { trust, outboundProtocolOf, inboundProtocolOf } = context;
  const listeners = [
    ...outboundListeners(node, outboundProtocolOf),
    ...inboundListeners(node, { trust, protocolOf: inboundProtocolOf }),
  ];
  const drafts: Draft[] = [
    ...inboundClusters(node, inboundProtocolOf).map(
      (message): Draft => ({ t: "cluster", message }),
    ),
    ...listeners.map((message): Draft => ({ t: "listener", message })),
  ];
  return seal(drafts);
}
