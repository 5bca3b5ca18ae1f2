import { canonicalIp, isIp } from "../../../mesh/address.ts";
import { serviceIdOf } from "../../../mesh/ids.ts";
import { type ServicePort, type TrafficTerms, trafficTermsOf } from "../../../mesh/service.ts";
import { readWorkloadAnnotations } from "./annotations.ts";
import type { Fields, Problem } from "./fields.ts";
import { fieldsOf } from "./fields.ts";
import type { KubeService } from "./kube-objects.ts";
import type { Metadata } from "./metadata.ts";
import { portNameRule, readProtocol } from "./read-port.ts";
import { readSelector } from "./read-selector.ts";

const maxPorts = 100;
// One for each family.
const maxClusterIps = 2;
const portFields = ["name", "port", "protocol", "appProtocol", "targetPort", "nodePort"];
const types: Readonly<Record<string, KubeService["type"]>> = {
  ClusterIP: "virtual",
  NodePort: "virtual",
  LoadBalancer: "virtual",
  ExternalName: "external",
};
const familyRule = { pattern: /^IPv[46]$/, wants: "IPv4 or IPv6" };
const affinityRule = { pattern: /^(?:ClientIP|None)$/, wants: "ClientIP or None" };
const policyRule = { pattern: /^(?:Cluster|Local)$/, wants: "Cluster or Local" };
const typeRule = {
  pattern: /^(?:ClusterIP|NodePort|LoadBalancer|ExternalName)$/,
  wants: "ClusterIP, NodePort, LoadBalancer or ExternalName",
};

/** Reads a `v1` Service. Source: Kubernetes API reference, Service v1. */
export function readService(object: Fields, metadata: Metadata, problems: Problem[]): KubeService {
  object.require("spec", "add the service's ports there");
  const spec = object.fields("spec");
  const type = spec === undefined ? "virtual" : typeOf(spec);
  const ports = spec === undefined ? [] : portsOf(spec, problems);
  const selects = spec === undefined || type === "external" ? undefined : readSelector(spec);
  if (spec !== undefined && type === "virtual" && ports.length === 0) {
    spec.require("ports", "name at least one port, or set clusterIP to None");
  }
  return {
    t: "service",
    key: `Service/${metadata.namespace}/${metadata.name}`,
    id: serviceIdOf(metadata.namespace, metadata.name),
    type,
    ports,
    primaryFamily: spec === undefined ? "IPv4" : primaryFamilyOf(spec),
    clusterIps: spec === undefined || type !== "virtual" ? [] : clusterIpsOf(spec),
    workloads: readWorkloadAnnotations(metadata.fields),
    ...(selects === undefined ? {} : { selects }),
    traffic: spec === undefined ? {} : trafficOf(spec),
  };
}

function trafficOf(spec: Fields): TrafficTerms {
  const hasAffinity = spec.text("sessionAffinity", affinityRule) === "ClientIP";
  const timeout = spec
    .fields("sessionAffinityConfig")
    ?.fields("clientIP")
    ?.integer("timeoutSeconds", { min: 1, max: 86_400 });
  const isNodeLocal = spec.text("internalTrafficPolicy", policyRule) === "Local";
  const trafficDistribution = spec.text("trafficDistribution");
  return trafficTermsOf({
    ...(hasAffinity ? { sessionAffinity: "ClientIP" } : {}),
    ...(hasAffinity && timeout !== undefined ? { sessionAffinityTimeoutSeconds: timeout } : {}),
    ...(isNodeLocal ? { internalTrafficPolicy: "Local" } : {}),
    ...(trafficDistribution === undefined ? {} : { trafficDistribution }),
  });
}

function typeOf(spec: Fields): KubeService["type"] {
  const type = types[spec.text("type", typeRule) ?? "ClusterIP"] ?? "virtual";
  return type === "virtual" && spec.text("clusterIP") === "None" ? "headless" : type;
}

function primaryFamilyOf(spec: Fields): "IPv4" | "IPv6" {
  const [first] = spec.list("ipFamilies", 2);
  if (first === undefined || first.value === "IPv4") return "IPv4";
  if (first.value === "IPv6") return "IPv6";
  spec.refuse("ipFamilies", `its first item has to be ${familyRule.wants}`);
  return "IPv4";
}

/** The API server fills in both fields; who writes a file needs the short one only. */
function clusterIpsOf(spec: Fields): string[] {
  const items = spec.list("clusterIPs", maxClusterIps).map(({ value }) => value);
  const [only, key] =
    items.length > 0 ? [items, "clusterIPs"] : [[spec.raw("clusterIP")], "clusterIP"];
  return only.flatMap((item) => {
    if (item === undefined || item === "") return [];
    if (typeof item === "string" && isIp(item)) return [canonicalIp(item)];
    spec.refuse(key, "it is no IP address; write it in quotes, or None for a headless service");
    return [];
  });
}

function portsOf(spec: Fields, problems: Problem[]): ServicePort[] {
  const items = spec.list("ports", maxPorts);
  const ports = items.flatMap((item) => {
    const fields = fieldsOf(item, problems);
    const port = fields === undefined ? undefined : portOf(fields, problems);
    return port === undefined ? [] : [port];
  });
  if (items.length > 1 && ports.some((port) => port.name === "")) {
    spec.refuse("ports", "with more than one port each needs a name; add the names");
  }
  refuseTwins(spec, ports);
  return ports;
}

function portOf(fields: Fields, problems: Problem[]): ServicePort | undefined {
  fields.expectOnly(portFields);
  fields.require("port", "write the port that callers use");
  const port = fields.integer("port", { min: 1, max: 65_535 });
  const name = fields.text("name", portNameRule) ?? "";
  const appProtocol = fields.text("appProtocol");
  const protocol = readProtocol(fields, problems);
  if (port === undefined || protocol === undefined) return undefined;
  return { name, port, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) };
}

function refuseTwins(spec: Fields, ports: readonly ServicePort[]): void {
  const seen = new Set<string>();
  for (const { name, port, protocol } of ports) {
    for (const mark of [`name "${name}"`, `port ${port}/${protocol}`]) {
      if (seen.has(mark)) spec.refuse("ports", `two ports have the ${mark}; keep one of them`);
      seen.add(mark);
    }
  }
}
