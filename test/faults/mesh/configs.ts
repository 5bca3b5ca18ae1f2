import type { Region, Regions } from "../../support/regions/regions.ts";
import { doorPort, hosts, ports, services, servicesOf, type WorkloadPlan } from "./plan.ts";

export type Engine = "embedded" | "envoy";

interface Place {
  readonly regions: Regions;
  readonly region: Region;
}

interface EnginePlace extends Place {
  readonly engine: Engine;
}

/** Paths are relative to the region's folder. */
export function agentYaml(at: Place, hubs: readonly string[]): string {
  const { region } = at;
  const doors = hosts.gateways.map((host) => `"${address(at, host)}:${ports.gateway}"`);
  return `mesh: acme.mesh
member: { name: ${region}, cloud: aws, region: ${region} }
trust: { dir: ./trust }
catalog: { hubs: [${hubs.map((url) => `{ url: "${url}" }`).join(", ")}], snapshotDir: ./state }
sources: [{ files: ./services }]
gateway: { addresses: [${doors.join(", ")}] }
xds: { listen: "${address(at, hosts.agent)}:${ports.xds}" }
http: { listen: "${address(at, hosts.agent)}:${ports.api}" }
`;
}

export function gatewayYaml(at: EnginePlace, index: number): string {
  const own = address(at, hosts.gateways[index] ?? 0);
  return `${common(at, `gateway-${index + 1}`, own)}listen: "${own}:${ports.gateway}"
drain: 90s
`;
}

export function workloadYaml(at: EnginePlace, { name, zone, host }: WorkloadPlan): string {
  const own = address(at, host);
  const inbound = servicesOf(at.region).map((service) => {
    const app = `"${own}:${service.appPort}"`;
    return `  - { endpoint: ${app}, listen: "${own}:${doorPort(service)}", app: ${app} }\n`;
  });
  return `${common(at, name, own)}workload: ${name}
namespace: shop
serviceAccount: shop
zone: ${zone}
inbound:
${inbound.join("")}`;
}

export function callerYaml(at: EnginePlace): string {
  const upstreams = services.map(
    ({ name, localPort }) =>
      `  - { service: shop/${name}, port: 80, listen: "127.0.0.1:${localPort}" }\n`,
  );
  return `${common(at, "caller", address(at, hosts.caller))}workload: caller
namespace: shop
serviceAccount: caller
zone: a
upstreams:
${upstreams.join("")}`;
}

function common(at: EnginePlace, name: string, own: string): string {
  return `agent: ${address(at, hosts.agent)}:${ports.xds}
identity: { dir: ./${name}-id }
engine: ${at.engine}
admin: "${own}:${ports.admin}"
`;
}

function address({ regions, region }: Place, host: number): string {
  return regions.address(region, host);
}
