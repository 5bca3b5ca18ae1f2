import { isIp } from "../../mesh/address.ts";
import type { Endpoint, ServicePort, SidecarProof } from "../../mesh/service.ts";
import { integerIn, mapIn, objectIn, oneOf, optionalTextIn, textIn } from "./json-fields.ts";

const port = { min: 1, max: 65_535 } as const;
const maxPortsPerEndpoint = 128;
const label = /^[A-Za-z0-9._-]{1,253}$/;

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
  return {
    workload: textIn(fields, "workload", { max: 253 }),
    address: ipIn(textIn(fields, "address", { max: 64 })),
    ports: mapIn(fields, "ports", { max: maxPortsPerEndpoint, read: portNumber }),
    zone: textIn(fields, "zone", { max: 253 }),
    health: oneOf(fields, "health", ["healthy", "draining", "unhealthy"]),
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
    ...(fields["sidecars"] === undefined
      ? {}
      : { sidecars: mapIn(fields, "sidecars", { max: maxPortsPerEndpoint, read: proofFrom }) }),
  };
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
