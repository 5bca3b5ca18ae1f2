import { hash } from "node:crypto";
import { parseIp } from "../../mesh/address.ts";
import type { ServiceId } from "../../mesh/ids.ts";
import { nameOf, namespaceOf } from "../../mesh/ids.ts";
import type { ObjectMetadata } from "../../mesh/object-metadata.ts";
import type { ServicePort, TrafficTerms } from "../../mesh/service.ts";
import { type KubeBody, ownerReferenceTo } from "./kube-body.ts";
import { defaultAffinitySeconds, type MergedExports } from "./merge-exports.ts";
import {
  appliedAnnotation,
  derivedServiceName,
  managedByLabel,
  mcsApiVersion,
  mcsManager,
  serviceNameLabel,
} from "./names.ts";

/**
 * The ServiceImport without its status; `ips` is empty until the derived Service has some. A field that
 * is null here and below shall not be there.
 */
export function serviceImportOf(
  id: ServiceId,
  merged: MergedExports,
  ips: readonly string[],
): KubeBody {
  const { type, ports, traffic } = merged;
  const isVirtual = type === "ClusterSetIP";
  return withMark({
    apiVersion: mcsApiVersion,
    kind: "ServiceImport",
    metadata: {
      namespace: namespaceOf(id),
      name: nameOf(id),
      labels: { ...exportable(merged.labels), [managedByLabel]: mcsManager },
      annotations: exportable(merged.annotations),
    },
    spec: {
      type,
      ports: ports.map(portBody),
      // Not before there are any: an empty list is not the same as none for who waits for an address.
      ips: isVirtual && ips.length > 0 ? ips : null,
      ipFamilies: isVirtual && ips.length > 0 ? ips.map(familyOf) : null,
      ...affinityBody(isVirtual ? traffic : {}),
      ...policyBody(traffic),
    },
  });
}

/** A Service without workloads of its own: it lends the import a cluster IP, and kube-proxy a place for its slices. */
export function derivedServiceOf(id: ServiceId, merged: MergedExports, owner: KubeBody): KubeBody {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      namespace: namespaceOf(id),
      name: derivedServiceName(id),
      labels: { [managedByLabel]: mcsManager, [serviceNameLabel]: nameOf(id) },
      ownerReferences: [ownerReferenceTo(owner)],
    },
    spec: {
      type: "ClusterIP",
      ports: merged.ports.map(portBody),
      // Somebody's selector would add workloads that nobody exported.
      selector: null,
      ...affinityBody(merged.traffic),
      ...policyBody(merged.traffic),
    },
  };
}

function portBody({ name, port, protocol, appProtocol }: ServicePort): object {
  return {
    ...(name === "" ? {} : { name }),
    port,
    protocol,
    ...(appProtocol === undefined ? {} : { appProtocol }),
  };
}

function affinityBody(traffic: TrafficTerms): object {
  const { sessionAffinity, sessionAffinityTimeoutSeconds: timeoutSeconds } = traffic;
  if (sessionAffinity === undefined)
    return { sessionAffinity: "None", sessionAffinityConfig: null };
  return {
    sessionAffinity,
    sessionAffinityConfig: {
      clientIP: { timeoutSeconds: timeoutSeconds ?? defaultAffinitySeconds },
    },
  };
}

// The API server refuses a Service with a word that it does not know; newer exporters may have more.
const distributions = ["PreferClose", "PreferSameZone", "PreferSameNode"];

function policyBody(traffic: TrafficTerms): object {
  const { trafficDistribution = "" } = traffic;
  return {
    internalTrafficPolicy: traffic.internalTrafficPolicy ?? "Cluster",
    trafficDistribution: distributions.includes(trafficDistribution) ? trafficDistribution : null,
  };
}

function familyOf(ip: string): "IPv4" | "IPv6" {
  return parseIp(ip)?.bits === 128 ? "IPv6" : "IPv4";
}

/** What tools and Kubernetes itself act upon is ours to say, whatever another member exports. */
function exportable(map: ObjectMetadata): ObjectMetadata {
  return Object.fromEntries(Object.entries(map).filter(([key]) => !isReserved(key)));
}

function isReserved(key: string): boolean {
  const domain = key.includes("/") ? key.slice(0, key.indexOf("/")) : "";
  return (
    key === managedByLabel ||
    domain === "isthmus.dev" ||
    domain === "multicluster.kubernetes.io" ||
    domain === "kubectl.kubernetes.io" ||
    domain === "endpointslice.kubernetes.io"
  );
}

/** Marked with a digest of all that is wished of it. */
function withMark(body: KubeBody): KubeBody {
  const { annotations } = body.metadata;
  const mark = hash("sha256", JSON.stringify(body)).slice(0, 16);
  return {
    ...body,
    metadata: { ...body.metadata, annotations: { ...annotations, [appliedAnnotation]: mark } },
  };
}
