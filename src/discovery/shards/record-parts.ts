import { isIp } from "../../mesh/address.ts";
import {
  maxMetadataEntries,
  type ObjectMetadata,
  sortedMetadata,
} from "../../mesh/object-metadata.ts";
import type { Endpoint, ServicePort, SidecarProof } from "../../mesh/service.ts";
import type { JsonObject } from "./json-fields.ts";
import { integerIn, mapIn, objectIn, oneOf, optionalTextIn, textIn } from "./json-fields.ts";

const port = { min: 1, max: 65_535 } as const;
const maxPortsPerEndpoint = 128;
const label = /^[A-Za-z0-9._-]{1,253}$/;
const dnsLabel = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export function portFrom(value: unknown): ServicePort {
  const fields = objectIn(value, "port");
  const appProtocol = optionalTextIn(fields, "appProtocol", { max: 253 });
  return {
    name: textIn(fields, "name", { max: 63 }),
    port: integerIn(fields, "port", port),
    protocol: oneOf(fields, "protocol", ["TCP", "UDP"]),
    ...(appProtocol === undefined ? {} : { appProtocol }),
  };
}

export function endpointFrom(value: unknown): Endpoint {
  const fields = objectIn(value, "endpoint");
  const serviceAccount = optionalTextIn(fields, "serviceAccount", { max: 253 });
  if (serviceAccount !== undefined && !label.test(serviceAccount)) {
    throw new RangeError("serviceAccount is no name");
  }
  const hostname = optionalTextIn(fields, "hostname", { max: 63 });
  if (hostname !== undefined && !dnsLabel.test(hostname)) {
    throw new RangeError("hostname is no DNS label");
  }
  return {
    workload: textIn(fields, "workload", { max: 253 }),
    address: ipIn(textIn(fields, "address", { max: 64 })),
    ports: mapIn(fields, "ports", { max: maxPortsPerEndpoint, read: portNumber }),
    zone: textIn(fields, "zone", { max: 253 }),
    health: oneOf(fields, "health", ["healthy", "draining", "unhealthy"]),
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(fields["sidecars"] === undefined
      ? {}
      : { sidecars: mapIn(fields, "sidecars", { max: maxPortsPerEndpoint, read: proofFrom }) }),
  };
}

/**
 * Labels or annotations. What Kubernetes would not take is left out: a service must not be lost for
 * something that only decorates it.
 */
export function metadataIn(
  fields: JsonObject,
  name: "labels" | "annotations",
  isEntry: (key: string, value: unknown) => boolean,
): ObjectMetadata | undefined {
  if (fields[name] === undefined) return undefined;
  const entries = Object.entries(objectIn(fields[name], name))
    .slice(0, maxMetadataEntries)
    .filter((entry): entry is [string, string] => isEntry(...entry));
  return sortedMetadata(entries);
}

function portNumber(value: unknown): number {
  return integerIn({ value }, "value", port);
}

function proofFrom(value: unknown): SidecarProof {
  const fields = objectIn(value, "sidecar");
  return {
    address: ipIn(textIn(fields, "address", { max: 64 })),
    port: integerIn(fields, "port", port),
  };
}

function ipIn(text: string): string {
  if (!isIp(text)) throw new RangeError("an address is no IP literal");
  return text;
}
