import type { Endpoint } from "../../mesh/service.ts";

const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * What a workload of a headless service is called below its member: its own host name, else the name of
 * its pod. Undefined where neither is a DNS label. Source: MCS DNS specification, 2.1.
 */
export function hostnameOf(endpoint: Endpoint): string | undefined {
  if (endpoint.hostname !== undefined) return endpoint.hostname;
  return label.test(endpoint.workload) ? endpoint.workload : undefined;
}
