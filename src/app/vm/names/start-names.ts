import { type DnsServer, startDnsServer } from "../../../discovery/io/dns-server.ts";
import { formatHostPort } from "../../../mesh/address.ts";
import type { Clock, Log } from "../../../mesh/ports.ts";
import type { Telemetry } from "../../../telemetry/registry.ts";
import type { EngineConfig, SidecarConfig } from "../../config/config.ts";
import { upstreamZones, zoneOfUpstreams } from "./upstream-zone.ts";

/** Answers DNS for this machine's upstreams; undefined: the configuration asks for none. Throws MESH_LISTEN_FAILED. */
export async function startNames(
  config: EngineConfig & Partial<Pick<SidecarConfig, "dns" | "upstreams">>,
  parts: {
    readonly clock: Clock;
    readonly telemetry: Pick<Telemetry, "count">;
    readonly log: Log;
  },
): Promise<DnsServer | undefined> {
  const { dns, upstreams = [] } = config;
  if (dns === undefined) return undefined;
  const zone = zoneOfUpstreams(upstreams);
  const services = { ...zone, isKnown: () => true };
  const server = await startDnsServer({ ...parts, ...dns, zones: upstreamZones, services });
  const fields = { address: formatHostPort(server.address), count: zone.size() };
  parts.log.info(fields, "Answers DNS");
  return server;
}
