import type { MeshService } from "../../discovery/mesh-service.ts";
import type { GatewayNode } from "../../proxy/node.ts";
import { edsCluster, outlierDetection } from "../../proxy/resources/cluster-settings.ts";
import { assignmentOf } from "../../proxy/resources/endpoints.ts";
import type { Draft, Sealed } from "../../proxy/seal.ts";
import { seal } from "../../proxy/seal.ts";
import { clusterVersions } from "../../proxy/service-resources.ts";
import type { ProxySettings } from "../../proxy/settings.ts";
import type { TrustView } from "../../proxy/trust-view.ts";
import type { Door } from "./door-levels.ts";
import { doorLevels } from "./door-levels.ts";
import type { ExportedTarget } from "./exports.ts";
import { exportsOf } from "./exports.ts";
import type { GatewaySettings } from "./listener.ts";
import { gatewayListener } from "./listener.ts";

/** The part of a service that every gateway of this member gets: one Envoy cluster for each SNI. */
export function gatewayResources(
  service: MeshService,
  options: { readonly door: Door; readonly settings: ProxySettings },
): Sealed {
  const exported = exportsOf(service);
  const clusters = seal(exported.map((item) => gatewayCluster(item, options.settings)));
  const versions = clusterVersions(clusters);
  const assignments = seal(
    exported.map((item): Draft => {
      const message = assignmentOf(item.sni, doorLevels(item, options.door));
      return { t: "endpoint", message, after: versions.get(item.sni) ?? "" };
    }),
  );
  return {
    resources: [...clusters.resources, ...assignments.resources],
    withheld: [...clusters.withheld, ...assignments.withheld],
  };
}

/** What one gateway process gets besides: its door. */
export function gatewayNodeResources(
  node: GatewayNode,
  context: { readonly settings: GatewaySettings; readonly trust: TrustView },
): Sealed {
  return seal([{ t: "listener", message: gatewayListener(node, context) }]);
}

// Bytes pass through: no TLS of ours here, the sidecars at both ends speak it with each other.
function gatewayCluster(item: ExportedTarget, settings: ProxySettings): Draft {
  const cluster = edsCluster(item.sni, settings);
  cluster.outlierDetection = outlierDetection({ mayBeGateways: true });
  return { t: "cluster", message: cluster };
}
