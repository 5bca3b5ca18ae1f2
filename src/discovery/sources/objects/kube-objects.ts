import type { ServiceId } from "../../../mesh/ids.ts";
import type { ObjectMetadata } from "../../../mesh/object-metadata.ts";
import type {
  Health,
  HealthProbe,
  ServicePort,
  TrafficTerms,
  WorkloadSelector,
} from "../../../mesh/service.ts";
import type { WorkloadGroup } from "../../../mesh/workload-group.ts";
import type { ImportPolicy } from "../../policies/import-policy.ts";

/** `<kind>/<namespace>/<name>`, or without a namespace: one object of a member, wherever it is read. */
export type ObjectKey = string;

/** What a Service or an EndpointSlice says about the workloads behind it. */
export interface WorkloadAnnotations {
  readonly serviceAccount?: string;
  readonly probe?: HealthProbe;
}

/** `v1` Service. */
export interface KubeService {
  readonly t: "service";
  readonly key: ObjectKey;
  readonly id: ServiceId;
  /** `external`: an ExternalName service, which has no endpoints of its own. */
  readonly type: "virtual" | "headless" | "external";
  readonly ports: readonly ServicePort[];
  readonly primaryFamily: "IPv4" | "IPv6";
  /** IP literals, canonical; empty when it has none. */
  readonly clusterIps: readonly string[];
  readonly workloads: WorkloadAnnotations;
  /** Absent: its endpoints are written down. */
  readonly selects?: WorkloadSelector;
  /** How callers are to be spread. */
  readonly traffic: TrafficTerms;
}

/** A port of an EndpointSlice; its name is the name of the service port it stands for. */
export interface KubeSlicePort {
  readonly name: string;
  readonly port: number;
  readonly protocol: ServicePort["protocol"];
}

export interface KubeEndpoint {
  readonly workload: string;
  /** IP literal, canonical. */
  readonly address: string;
  readonly zone: string;
  readonly health: Health;
  /** Where it is not the workload's name. */
  readonly hostname?: string;
  /** Pod of the slice's namespace that stands behind it. */
  readonly pod?: string;
  /** Node on which it runs. */
  readonly node?: string;
  /** What its pod runs as; absent: the annotations say, or nobody does. */
  readonly serviceAccount?: string;
  /** See `Endpoint`. */
  readonly isUnowned?: true;
}

/** `discovery.k8s.io/v1` EndpointSlice. */
export interface KubeSlice {
  readonly t: "slice";
  readonly key: ObjectKey;
  readonly service: ServiceId;
  readonly family: "IPv4" | "IPv6";
  readonly ports: readonly KubeSlicePort[];
  readonly endpoints: readonly KubeEndpoint[];
  readonly workloads: WorkloadAnnotations;
}

/** `multicluster.x-k8s.io` ServiceExport. */
export interface KubeExport {
  readonly t: "export";
  readonly key: ObjectKey;
  readonly service: ServiceId;
  /** Absent: the object carries no creation time, so the time it was first seen counts. */
  readonly createdAtMs?: number;
  readonly labels?: ObjectMetadata;
  readonly annotations?: ObjectMetadata;
}

/** `isthmus.dev/v1alpha1` ImportPolicy. */
export interface KubeImportPolicy {
  readonly t: "import-policy";
  readonly key: ObjectKey;
  readonly policy: ImportPolicy;
}

/** `isthmus.dev/v1alpha1` WorkloadGroup. */
export interface KubeWorkloadGroup {
  readonly t: "workload-group";
  readonly key: ObjectKey;
  readonly group: WorkloadGroup;
}

/** What services are made of. */
export type ServicePart = KubeService | KubeSlice | KubeExport;

/** What a source hands over as it is. */
export type WholeObject = KubeImportPolicy | KubeWorkloadGroup;

export type KubeObject = ServicePart | WholeObject;

export function isServicePart(object: KubeObject): object is ServicePart {
  return object.t !== "import-policy" && object.t !== "workload-group";
}

/** The service an object is about. */
export function serviceOf(object: ServicePart): ServiceId {
  return object.t === "service" ? object.id : object.service;
}
