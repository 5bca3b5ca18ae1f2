import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { parseIp, parseIpRange } from "../../mesh/address.ts";
import type { Cluster } from "../../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import type { CidrRange } from "../../xds/gen/envoy/config/core/v3/address_pb.ts";
import { CidrRangeSchema } from "../../xds/gen/envoy/config/core/v3/address_pb.ts";
import { TrafficDirection } from "../../xds/gen/envoy/config/core/v3/base_pb.ts";
import type { FilterChain } from "../../xds/gen/envoy/config/listener/v3/listener_components_pb.ts";
import {
  FilterChainMatchSchema,
  FilterChainSchema,
} from "../../xds/gen/envoy/config/listener/v3/listener_components_pb.ts";
import type { Listener } from "../../xds/gen/envoy/config/listener/v3/listener_pb.ts";
import { ListenerSchema } from "../../xds/gen/envoy/config/listener/v3/listener_pb.ts";
import { OriginalDstSchema } from "../../xds/gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.ts";
import { TlsInspectorSchema } from "../../xds/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts";
import type { Capture } from "../capture.ts";
import type { CapturedPort } from "../captured-ports.ts";
import type { SidecarNode } from "../node.ts";
import type { TrustView } from "../trust-view.ts";
import { alpnOf, inboundBufferBytes, inboundProxy, mtlsChain } from "./inbound-listeners.ts";
import {
  blackHoleName,
  capturedAppCluster,
  inboundPassthroughName,
} from "./original-dst-clusters.ts";
import { extension, ms, socketAddress } from "./wire.ts";

export interface CapturedInbound {
  readonly capture: Capture;
  readonly ports: readonly CapturedPort[];
  readonly trust: TrustView;
}

type MatchInit = MessageInitShape<typeof FilterChainMatchSchema>;

/**
 * All that others dial at the workload, by the port they dialled. Envoy looks at the port first and never
 * comes back to a chain without one.
 */
export function capturedInboundListener(node: SidecarNode, inbound: CapturedInbound): Listener {
  const { capture, ports } = inbound;
  const any = capture.addresses.some((address) => parseIp(address)?.bits === 128)
    ? ["0.0.0.0", "::"]
    : ["0.0.0.0"];
  const [first, ...others] = any.map((host) => socketAddress({ host, port: capture.inboundPort }));
  return create(ListenerSchema, {
    name: "virtualInbound",
    ...(first === undefined ? {} : { address: first }),
    additionalAddresses: others.map((address) => ({ address })),
    trafficDirection: TrafficDirection.INBOUND,
    perConnectionBufferLimitBytes: inboundBufferBytes,
    listenerFilters: [
      extension("envoy.filters.listener.original_dst", OriginalDstSchema),
      extension("envoy.filters.listener.tls_inspector", TlsInspectorSchema),
    ],
    // Where the server speaks first a caller without TLS says nothing. A caller of the mesh says hello at once.
    listenerFiltersTimeout: ms(helloTimeoutMs),
    continueOnListenerFiltersTimeout: true,
    filterChains: [
      ...ports.flatMap((port) => chainsOf(port, { node, inbound })),
      ...plaintext(capture, { name: "passthrough", match: {}, to: inboundPassthroughName }),
      // Whoever dials a captured port by its own number would go round in circles.
      ...[capture.inboundPort, capture.outboundPort].map(blackHole),
    ],
  });
}

// A lost packet of the hello comes again after a second at most.
const helloTimeoutMs = 3_000;

function chainsOf(
  { port, protocol, names }: CapturedPort,
  { node, inbound }: { readonly node: SidecarNode; readonly inbound: CapturedInbound },
): FilterChain[] {
  const envoyCluster = appClusterName(port);
  const alpn = alpnOf(protocol, node);
  // Bytes may be the application's own TLS, with callers of its own: ours say so. HTTP in the clear is not.
  const serverNames = protocol === "tcp" ? [...names] : [];
  const match = { destinationPort: port, transportProtocol: "tls", serverNames };
  const proven = mtlsChain({ trust: inbound.trust, callee: node, protocol, alpn, envoyCluster });
  proven.name = `${port} mtls`;
  proven.filterChainMatch = create(FilterChainMatchSchema, match);
  return [
    proven,
    ...plaintext(inbound.capture, {
      name: `${port} plaintext`,
      match: { destinationPort: port },
      to: envoyCluster,
      protocol,
    }),
  ];
}

/** Callers that have no sidecar, from where they are let in. */
function plaintext(
  { plaintextFrom }: Capture,
  chain: {
    readonly name: string;
    readonly match: MatchInit;
    readonly to: string;
    readonly protocol?: CapturedPort["protocol"];
  },
): FilterChain[] {
  if (plaintextFrom.length === 0) return [];
  const { name, match, to, protocol = "tcp" } = chain;
  return [
    create(FilterChainSchema, {
      name,
      filterChainMatch: { ...match, sourcePrefixRanges: plaintextFrom.map(cidr) },
      filters: [inboundProxy({ protocol, envoyCluster: to })],
    }),
  ];
}

function cidr(text: string): CidrRange {
  const { length } = parseIpRange(text);
  const [addressPrefix = ""] = text.split("/");
  return create(CidrRangeSchema, { addressPrefix, prefixLen: length });
}

/** Connections to this port of a redirection, dialled by its own number, end. */
export function blackHole(port: number): FilterChain {
  return create(FilterChainSchema, {
    name: `loop ${port}`,
    filterChainMatch: { destinationPort: port },
    filters: [inboundProxy({ protocol: "tcp", envoyCluster: blackHoleName })],
  });
}

/** The application behind each of those ports, and behind all others. */
export function capturedAppClusters({ capture, ports }: CapturedInbound): Cluster[] {
  const known = ports.map(({ port, protocol }) =>
    capturedAppCluster(appClusterName(port), protocol),
  );
  const isOpen = capture.plaintextFrom.length > 0;
  return isOpen ? [...known, capturedAppCluster(inboundPassthroughName, "tcp")] : known;
}

/** `inbound|8080||` */
function appClusterName(port: number): string {
  return `inbound|${port}||`;
}
