import type { Region } from "../../support/regions/regions.ts";

/** What every region has, and where; addresses are hosts of the region's own network. */
export const hosts = {
  agent: 1,
  redis: 5,
  caller: 10,
  gateways: [11, 12],
  // One of four may go without any of its share leaving the region: 3/4 of 140 % is more than all.
  workloads: { eu: [21, 22, 23, 24], us: [21, 22], ap: [21, 22] },
} as const;

export const ports = {
  xds: 15_012,
  api: 15_080,
  admin: 15_021,
  gateway: 15_443,
  redis: 6379,
} as const;

/** Ports of an application are these, of its sidecar's doors these and so much more. */
const doorOffset = 10_000;

export type ServiceName = "books" | "cart" | "ledger" | "vault";

export interface ServicePlan {
  readonly name: ServiceName;
  readonly protocol: "http" | "tcp";
  /** Where applications serve it. */
  readonly appPort: number;
  /** Where a caller's sidecar offers it, on loopback. */
  readonly localPort: number;
  readonly regions: readonly Region[];
}

/** `cart` and `ledger` are everywhere; callers in eu reach `books` and `vault` through gateways only. */
export const services: readonly ServicePlan[] = [
  { name: "cart", protocol: "http", appPort: 8080, localPort: 17_080, regions: ["eu", "us", "ap"] },
  { name: "books", protocol: "http", appPort: 8081, localPort: 17_081, regions: ["us", "ap"] },
  {
    name: "ledger",
    protocol: "tcp",
    appPort: 9090,
    localPort: 17_090,
    regions: ["eu", "us", "ap"],
  },
  { name: "vault", protocol: "tcp", appPort: 9091, localPort: 17_091, regions: ["us", "ap"] },
];

export function servicesOf(region: Region): readonly ServicePlan[] {
  return services.filter(({ regions }) => regions.includes(region));
}

export function serviceNamed(name: ServiceName): ServicePlan {
  const found = services.find((service) => service.name === name);
  if (found === undefined) throw new RangeError(`there is no service ${name}`);
  return found;
}

export function doorPort(service: ServicePlan): number {
  return service.appPort + doorOffset;
}

/** A pod: an application that serves all services of its region, and a sidecar. */
export interface WorkloadPlan {
  readonly region: Region;
  readonly name: string;
  readonly zone: string;
  readonly host: number;
}

export function workloadsOf(region: Region): readonly WorkloadPlan[] {
  const zones = ["a", "b"];
  return hosts.workloads[region].map((host, index) => ({
    region,
    name: `shop-${index + 1}`,
    zone: zones[index % zones.length] ?? "a",
    host,
  }));
}

/** How a workload signs its answers. */
export function signatureOf({ region, zone, name }: WorkloadPlan): string {
  return `${region}/${zone}/${name}`;
}

export function gatewayNames(): readonly string[] {
  return hosts.gateways.map((_, index) => `gateway-${index + 1}`);
}
