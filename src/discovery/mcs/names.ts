import { hash } from "node:crypto";
import type { ServiceId } from "../../mesh/ids.ts";
import { nameOf } from "../../mesh/ids.ts";
import type { KubeBody } from "./kube-body.ts";

/** API group of ServiceExport and ServiceImport. */
export const mcsGroup = "multicluster.x-k8s.io";
/** Stored since mcs-api v0.5; `v1alpha1` holds the same fields. */
export const mcsApiVersion: string = `${mcsGroup}/v1beta1`;

/** On whatever belongs to an import: the name of the service that is imported. */
export const serviceNameLabel = "multicluster.kubernetes.io/service-name";
/** On an EndpointSlice: the member whose workloads it lists. */
export const sourceClusterLabel = "multicluster.kubernetes.io/source-cluster";
/** Tells kube-proxy which Service an EndpointSlice stands behind. */
export const kubeServiceLabel = "kubernetes.io/service-name";
/** Keeps Kubernetes' own controllers away from an EndpointSlice. */
export const sliceManagerLabel = "endpointslice.kubernetes.io/managed-by";
export const managedByLabel = "app.kubernetes.io/managed-by";
/** Which version of an object was applied last; tells a new wish from somebody else's edit. */
export const appliedAnnotation = "isthmus.dev/applied";

/** Names us as the manager of objects, and of fields in server-side apply. */
export const mcsManager = "isthmus-mcs";

const prefix = "clusterset-";
const maxNameChars = 63;

/** The Service whose cluster IP is the import's. Stable, for the VIP lives as long as its Service. */
export function derivedServiceName(id: ServiceId): string {
  const name = `${prefix}${nameOf(id)}`;
  if (name.length <= maxNameChars) return name;
  const mark = hash("sha256", nameOf(id)).slice(0, 8);
  return `${name.slice(0, maxNameChars - mark.length - 1)}-${mark}`;
}

/** Whether a derived Service may have that name. */
export function isDerivedName(name: string): boolean {
  return name.startsWith(prefix);
}

/** Whether somebody else made it: it is never changed or deleted. */
export function isForeign(body: KubeBody | undefined): boolean {
  return body !== undefined && body.metadata.labels?.[managedByLabel] !== mcsManager;
}
