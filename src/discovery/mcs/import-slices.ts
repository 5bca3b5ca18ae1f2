import { hash } from "node:crypto";
import { parseIp } from "../../mesh/address.ts";
import type { MemberName, ServiceId } from "../../mesh/ids.ts";
import { nameOf, namespaceOf } from "../../mesh/ids.ts";
import type { Endpoint, ServicePort } from "../../mesh/service.ts";
import { slicesOf } from "../publish/slices.ts";
import type { Constituent } from "./constituents.ts";
import { hostnameOf } from "./hostname.ts";
import { type KubeBody, ownerReferenceTo } from "./kube-body.ts";
import type { MergedExports } from "./merge-exports.ts";
import {
  derivedServiceName,
  kubeServiceLabel,
  managedByLabel,
  mcsManager,
  serviceNameLabel,
  sliceManagerLabel,
  sourceClusterLabel,
} from "./names.ts";

/**
 * EndpointSlices of an import: the workloads that can be dialled from here without a gateway, those of
 * each member by themselves. Behind the derived Service where there is one, so that kube-proxy serves
 * callers without a sidecar. Source: KEP-1645, EndpointSlice.
 */
export function importSlicesOf(
  id: ServiceId,
  from: {
    readonly merged: MergedExports;
    readonly constituents: readonly Constituent[];
    readonly owner: KubeBody;
    /** This member: zones of others mean nothing here. */
    readonly self: MemberName;
  },
): readonly KubeBody[] {
  return from.constituents.flatMap((one) =>
    [...groupsOf(one, from.merged.ports)].flatMap(([key, group]) =>
      slicesOf(group.endpoints).flatMap((endpoints, index) =>
        endpoints.length === 0
          ? []
          : [sliceBody(id, { ...from, ...group, of: one, endpoints, mark: `${key}-${index}` })],
      ),
    ),
  );
}

interface Group {
  readonly family: "IPv4" | "IPv6";
  readonly ports: readonly (ServicePort & { readonly target: number })[];
  readonly endpoints: Endpoint[];
}

/** A slice has one family, and one target for each port. By a name that stays while the group does. */
function groupsOf(of: Constituent, merged: readonly ServicePort[]): ReadonlyMap<string, Group> {
  // Of the import's ports those that this member exposes: under its name another may mean another port.
  const ports = merged.filter((port) => of.ports.some((own) => isSamePort(own, port)));
  const groups = new Map<string, Group>();
  if (ports.length === 0 && merged.length > 0) return groups;
  for (const endpoint of of.endpoints) {
    const family = parseIp(endpoint.address)?.bits === 128 ? "IPv6" : "IPv4";
    const targets = ports.flatMap((port) => {
      const target = endpoint.ports[port.name];
      return target === undefined ? [] : [{ ...port, target }];
    });
    const key = hash("sha256", JSON.stringify([family, targets])).slice(0, 8);
    const group = groups.get(key) ?? { family, ports: targets, endpoints: [] };
    groups.set(key, group);
    group.endpoints.push(endpoint);
  }
  return groups;
}

function isSamePort(left: ServicePort, right: ServicePort): boolean {
  return left.name === right.name && left.port === right.port && left.protocol === right.protocol;
}

function sliceBody(
  id: ServiceId,
  from: Omit<Group, "endpoints"> & {
    readonly merged: MergedExports;
    readonly owner: KubeBody;
    readonly self: MemberName;
    readonly of: Constituent;
    readonly endpoints: readonly Endpoint[];
    readonly mark: string;
  },
): KubeBody {
  const { of, owner, family, ports, endpoints, self } = from;
  const isVirtual = from.merged.type === "ClusterSetIP";
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      namespace: namespaceOf(id),
      name: `${derivedServiceName(id)}-${of.member}-${from.mark}`,
      labels: {
        [managedByLabel]: mcsManager,
        [sliceManagerLabel]: mcsManager,
        [serviceNameLabel]: nameOf(id),
        [sourceClusterLabel]: of.member,
        [kubeServiceLabel]: isVirtual ? derivedServiceName(id) : null,
      },
      ownerReferences: [ownerReferenceTo(owner)],
    },
    addressType: family,
    ports: ports.map(({ name, target, protocol, appProtocol }) => ({
      name,
      port: target,
      protocol,
      ...(appProtocol === undefined ? {} : { appProtocol }),
    })),
    endpoints: endpoints.map((endpoint) => endpointBody(endpoint, { of, self })),
  };
}

function endpointBody(
  endpoint: Endpoint,
  { of, self }: { readonly of: Constituent; readonly self: MemberName },
): object {
  const { health, address, zone } = endpoint;
  const hostname = hostnameOf(endpoint);
  return {
    addresses: [address],
    conditions: {
      ready: health === "healthy" && of.isUsable,
      serving: health !== "unhealthy" && of.isUsable,
      terminating: health === "draining",
    },
    ...(hostname === undefined ? {} : { hostname }),
    ...(of.member === self && zone !== "" ? { zone } : {}),
  };
}
