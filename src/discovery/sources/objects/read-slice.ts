import { isInRange, parseIp, parseIpRange } from "../../../mesh/address.ts";
import { serviceIdOf } from "../../../mesh/ids.ts";
import { healthOf } from "../endpoint-health.ts";
import { readWorkloadAnnotations } from "./annotations.ts";
import type { Fields, Item, Problem } from "./fields.ts";
import { fieldsOf } from "./fields.ts";
import type { KubeEndpoint, KubeSlice, KubeSlicePort } from "./kube-objects.ts";
import type { Metadata } from "./metadata.ts";
import { nameRule } from "./metadata.ts";
import { portNameRule, readProtocol } from "./read-port.ts";

const serviceNameLabel = "kubernetes.io/service-name";

// The API server's own limits for one slice.
const maxEndpoints = 1000;
const maxPorts = 100;
const maxAddresses = 100;

const sliceFields = ["apiVersion", "kind", "metadata", "addressType", "ports", "endpoints"];
const portFields = ["name", "port", "protocol", "appProtocol"];
const endpointFields = [
  "addresses",
  "conditions",
  "deprecatedTopology",
  "hints",
  "hostname",
  "nodeName",
  "targetRef",
  "zone",
];
const conditionFields = ["ready", "serving", "terminating"];
const serviceRule = {
  pattern: /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
  wants: "the name of a Service in the same namespace",
};
const zoneRule = {
  pattern: /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/,
  wants: "at most 63 letters, digits, '.', '_' and '-'",
};
const familyRule = { pattern: /^IPv[46]$/, wants: "IPv4 or IPv6" };

/** No workload answers there, so such an address is a mistake. Loopback is left to the charter. */
const neverServing = [
  "0.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/3",
  "::/128",
  "fe80::/10",
  "ff00::/8",
].map(parseIpRange);

/** Reads a `discovery.k8s.io/v1` EndpointSlice; undefined when no service is named. */
export function readSlice(
  object: Fields,
  metadata: Metadata,
  problems: Problem[],
): KubeSlice | undefined {
  object.expectOnly(sliceFields);
  const labels = metadata.fields.fields("labels");
  if (labels === undefined) {
    return metadata.fields.refuse("labels", `it lacks ${serviceNameLabel}; add the label`);
  }
  labels.require(serviceNameLabel, "name the Service that these endpoints belong to");
  const serviceName = labels.text(serviceNameLabel, serviceRule);
  object.require("addressType", "write IPv4 or IPv6");
  const family = object.text("addressType", familyRule) === "IPv6" ? "IPv6" : "IPv4";
  const ports = object.list("ports", maxPorts).flatMap((item) => portOf(item, problems));
  const endpoints = object
    .list("endpoints", maxEndpoints)
    .flatMap((item) => endpointOf(item, { family, problems }));
  const workloads = readWorkloadAnnotations(metadata.fields);
  if (serviceName === undefined) return undefined;
  return {
    t: "slice",
    key: `EndpointSlice/${metadata.namespace}/${metadata.name}`,
    service: serviceIdOf(metadata.namespace, serviceName),
    family,
    ports,
    endpoints,
    workloads,
  };
}

function portOf(item: Item, problems: Problem[]): KubeSlicePort[] {
  const fields = fieldsOf(item, problems);
  if (fields === undefined) return [];
  fields.expectOnly(portFields);
  fields.require("port", "write the port on which the workloads listen");
  const port = fields.integer("port", { min: 1, max: 65_535 });
  const name = fields.text("name", portNameRule) ?? "";
  const protocol = readProtocol(fields, problems);
  return port === undefined || protocol === undefined ? [] : [{ name, port, protocol }];
}

interface EndpointContext {
  readonly family: "IPv4" | "IPv6";
  readonly problems: Problem[];
}

function endpointOf(item: Item, { family, problems }: EndpointContext): KubeEndpoint[] {
  const fields = fieldsOf(item, problems);
  if (fields === undefined) return [];
  fields.expectOnly(endpointFields);
  const address = addressOf(fields, family);
  const conditions = fields.fields("conditions");
  conditions?.expectOnly(conditionFields);
  const health = healthOf({
    ready: conditions?.flag("ready"),
    serving: conditions?.flag("serving"),
    terminating: conditions?.flag("terminating"),
  });
  const target = fields.fields("targetRef");
  const named = target?.text("name", nameRule);
  const hostname = fields.text("hostname", serviceRule);
  const workload = named ?? hostname ?? address;
  const zone = fields.text("zone", zoneRule) ?? "";
  const node = fields.text("nodeName", nameRule);
  if (address === undefined || workload === undefined) return [];
  const isOwnName = hostname !== undefined && hostname !== workload;
  return [
    {
      workload,
      address,
      zone,
      health,
      ...(isOwnName ? { hostname } : {}),
      ...(named === undefined || target?.raw("kind") !== "Pod" ? {} : { pod: named }),
      ...(node === undefined ? {} : { node }),
    },
  ];
}

/** The first address: the API calls the others interchangeable and clients may use the first only. */
function addressOf(fields: Fields, family: "IPv4" | "IPv6"): string | undefined {
  fields.require("addresses", 'write the workload\'s address, e.g. ["10.0.0.7"]');
  const [first, ...others] = fields.list("addresses", maxAddresses);
  if (first === undefined) {
    return fields.raw("addresses") === undefined
      ? undefined
      : fields.refuse("addresses", "it names no address; write the workload's address");
  }
  const text = first.value;
  if (others.length > 0) {
    return fields.refuse("addresses", "it has several items; write one endpoint for each workload");
  }
  const ip = typeof text === "string" ? parseIp(text) : undefined;
  if (typeof text !== "string" || ip === undefined || ip.bits !== (family === "IPv4" ? 32 : 128)) {
    return fields.refuse("addresses", `its item is no ${family} address; write the IP in quotes`);
  }
  if (neverServing.some((range) => isInRange(text, range))) {
    return fields.refuse(
      "addresses",
      `no workload can be reached at ${text}; write its own address`,
    );
  }
  // One spelling for each address: it is compared with what sidecars say and with what hubs carry.
  return family === "IPv4" ? text : new URL(`http://[${text}]`).hostname.slice(1, -1);
}
