import { hash } from "node:crypto";
import type { Endpoint } from "../../mesh/service.ts";
import { maxEndpointsPerSlice } from "../shards/records.ts";

/**
 * Slices of at most 100; some may be empty. Cut by a hash of the workload's name, so that one that comes
 * or goes changes one slice and not all that follow it.
 */
export function slicesOf(endpoints: readonly Endpoint[]): readonly (readonly Endpoint[])[] {
  if (endpoints.length === 0) return [];
  // Two entries that nothing tells apart would share a slice for ever, however many slices.
  const distinct = new Map(endpoints.map((endpoint) => [orderOf(endpoint), endpoint]));
  const sorted = [...distinct.keys()].sort().flatMap((key) => distinct.get(key) ?? []);
  for (let count = 1; ; count *= 2) {
    const slices = Array.from({ length: count }, (): Endpoint[] => []);
    for (const endpoint of sorted) slices[placeOf(endpoint) % count]?.push(endpoint);
    if (slices.every((slice) => slice.length <= maxEndpointsPerSlice)) return slices;
  }
}

function orderOf(endpoint: Endpoint): string {
  return `${endpoint.workload} ${endpoint.address}`;
}

function placeOf(endpoint: Endpoint): number {
  return hash("sha256", orderOf(endpoint), "buffer").readUInt32BE(0);
}
