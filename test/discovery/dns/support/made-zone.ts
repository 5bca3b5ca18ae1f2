import type { KnownServices } from "../../../../src/discovery/dns/answer.ts";
import type { NamedWorkload } from "../../../../src/discovery/dns/service-zone.ts";
import { createServiceZone } from "../../../../src/discovery/dns/service-zone.ts";
import { parseServiceId } from "../../../../src/mesh/ids.ts";
import { east, west } from "../../support/made.ts";

export const cartName = "cart.shop.svc.clusterset.local";
export const manyWorkloads = 300;

const http = { name: "http", port: 80, protocol: "TCP" } as const;

/** One service of each kind that matters. */
export function madeZone(): KnownServices {
  const zone = createServiceZone();
  const headless = { type: "Headless", ports: [http], ips: [] } as const;
  zone.set(parseServiceId("shop/cart"), {
    type: "ClusterSetIP",
    ports: [http, { name: "", port: 81, protocol: "TCP" }],
    ips: ["10.96.0.7", "fd00:96::7"],
    workloads: [],
  });
  zone.set(parseServiceId("shop/soon"), {
    type: "ClusterSetIP",
    ports: [http],
    ips: [],
    workloads: [],
  });
  zone.set(parseServiceId("shop/web"), {
    ...headless,
    workloads: [
      { member: east, hostname: "web-0", address: "10.0.0.1", ports: { http: 8080 } },
      { member: west, hostname: "web-0", address: "10.0.0.2", ports: { http: 8080 } },
      { member: west, hostname: "web-1", address: "fd00::3", ports: { http: 9090 } },
    ],
  });
  zone.set(parseServiceId("shop/idle"), { ...headless, workloads: [] });
  zone.set(parseServiceId("shop/some"), { ...headless, workloads: workloads(60) });
  zone.set(parseServiceId("shop/many"), { ...headless, workloads: workloads(manyWorkloads) });
  return { ...zone, isKnown: () => true };
}

function workloads(count: number): readonly NamedWorkload[] {
  return Array.from({ length: count }, (_, index) => ({
    member: east,
    hostname: `pod-${index}`,
    address: `10.1.${index >> 8}.${index & 255}`,
    ports: { http: 8080 },
  }));
}
