import { create } from "@bufbuild/protobuf";
import type { MeshService } from "../../discovery/mesh-service.ts";
import { formatHostPort, type HostPort, parseIp } from "../../mesh/address.ts";
import { outboundName, withoutName } from "../../mesh/names.ts";
import { appProtocolOf, type Endpoint } from "../../mesh/service.ts";
import type { Cluster } from "../../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { TrafficDirection } from "../../xds/gen/envoy/config/core/v3/base_pb.ts";
import type { Listener } from "../../xds/gen/envoy/config/listener/v3/listener_pb.ts";
import { ListenerSchema } from "../../xds/gen/envoy/config/listener/v3/listener_pb.ts";
import type { Capture } from "../capture.ts";
import type { ProxySettings } from "../settings.ts";
import { atPort, type TargetPlan, targetsOf } from "../targets.ts";
import type { TrustView } from "../trust-view.ts";
import { blackHole } from "./captured-inbound.ts";
import { inboundProxy } from "./inbound-listeners.ts";
import {
  blackHoleName,
  directCluster,
  directName,
  passthroughName,
} from "./original-dst-clusters.ts";
import { outboundProxy } from "./outbound-listeners.ts";
import type { Extension } from "./wire.ts";
import { socketAddress } from "./wire.ts";

/** All that the application dials. Envoy hands a connection on to the listener of what was dialled. */
export function capturedOutboundListener(capture: Capture): Listener {
  const { addresses, outboundPort, unknown } = capture;
  const hasV6 = addresses.some((address) => parseIp(address)?.bits === 128);
  const additional = hasV6 ? [{ host: "::1", port: outboundPort }] : [];
  return create(ListenerSchema, {
    name: "virtualOutbound",
    // On loopback: the kernel leads connections of this machine here, nobody else needs to get in.
    address: socketAddress({ host: "127.0.0.1", port: outboundPort }),
    additionalAddresses: additional.map((address) => ({ address: socketAddress(address) })),
    trafficDirection: TrafficDirection.OUTBOUND,
    ignoreGlobalConnLimit: true,
    useOriginalDst: true,
    filterChains: [blackHole(outboundPort)],
    defaultFilterChain: {
      name: "unknown destination",
      filters: [onceTo(unknown === "pass" ? passthroughName : blackHoleName)],
    },
  });
}

/**
 * A listener for each port under whose addresses applications of this member dial a service; nothing binds
 * it. It depends on no endpoint, but for headless services, whose workloads are dialled each by itself.
 * `importIps`: where they dial its `clusterset.local` name.
 */
export function capturedServiceListeners(
  service: MeshService,
  { importIps, trust }: { readonly importIps: readonly string[]; readonly trust: TrustView },
): Listener[] {
  return targetsOf(service).flatMap((plan) => {
    const { target, port } = plan;
    const isImport = target.suffix === "svc.clusterset.local";
    const ips = isImport ? importIps : (service.local?.clusterIps ?? []);
    const protocol = appProtocolOf(port);
    const mesh = outboundProxy(outboundName(target), { protocol, statPrefix: sharedPrefix });
    const direct = directAddresses(service, plan);
    return [
      ...listenerAt(ips, {
        port: target.port,
        filter: mesh,
        chain: protocol === "tcp" ? withoutName(trust.denied ?? []) : "",
      }),
      ...direct.flatMap((at) => {
        const filter = onceTo(directName(target));
        return listenerAt([at.host], { port: at.port, filter, chain: "" });
      }),
    ];
  });
}

/** What headless services need besides. */
export function directClusters(service: MeshService, settings: ProxySettings): Cluster[] {
  return targetsOf(service)
    .filter((plan) => directAddresses(service, plan).length > 0)
    .map((plan) => directCluster(plan.target, settings));
}

/** Workloads that take mTLS at the address that their callers dial; all others are met as they are. */
function directAddresses(service: MeshService, { target, port, local }: TargetPlan): HostPort[] {
  if (service.type !== "Headless" || target.suffix !== "svc.cluster.local") return [];
  return (local?.endpoints ?? []).flatMap((endpoint) => ownDoor(endpoint, port.name) ?? []);
}

function ownDoor(endpoint: Endpoint, name: string): HostPort | undefined {
  const { address, ports, sidecars, isUnowned } = endpoint;
  if (isUnowned === true) return undefined;
  const port = atPort(ports, name);
  const proof = atPort(sidecars, name);
  const isOwn = port !== undefined && proof?.port === port && proof.address === address;
  return isOwn ? { host: address, port } : undefined;
}

/** There is no other host to try than the one that was dialled. */
function onceTo(envoyCluster: string): Extension {
  return inboundProxy({ protocol: "tcp", envoyCluster });
}

// Counters of their own would be half of the listeners' memory; what is sent to a service, its cluster counts.
const sharedPrefix = "captured";

function listenerAt(
  ips: readonly string[],
  of: {
    readonly port: number;
    readonly filter: Extension;
    /** Its name. */
    readonly chain: string;
  },
): Listener[] {
  const [at, ...others] = ips.map((host) => ({ host, port: of.port }));
  if (at === undefined) return [];
  const listener = create(ListenerSchema, {
    // By its address: whoever has that address next replaces it.
    name: `outbound@${formatHostPort(at)}`,
    address: socketAddress(at),
    additionalAddresses: others.map((other) => ({ address: socketAddress(other) })),
    bindToPort: false,
    trafficDirection: TrafficDirection.OUTBOUND,
    ignoreGlobalConnLimit: true,
    statPrefix: sharedPrefix,
    filterChains: [{ filters: [of.filter], name: of.chain }],
  });
  return [listener];
}
