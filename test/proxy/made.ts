// Small services for tests, each part as plain as it can be.
import type { MeshService, RemoteExport } from "../../src/discovery/mesh-service.ts";
import type { MemberName } from "../../src/mesh/ids.ts";
import {
  parseMemberName,
  parseNetworkName,
  parseSpiffeId,
  serviceIdOf,
} from "../../src/mesh/ids.ts";
import type { Endpoint, LocalService, ServicePort } from "../../src/mesh/service.ts";
import type { Viewer } from "../../src/proxy/viewer.ts";

export const east: MemberName = parseMemberName("east");
export const http: ServicePort = { name: "http", port: 80, protocol: "TCP" };

export const viewer: Viewer = {
  member: east,
  cloud: "aws",
  region: "us-east-1",
  network: parseNetworkName("east"),
  zone: "a",
};

export function endpoint(number: number, wish: Partial<Endpoint> = {}): Endpoint {
  const address = wish.address ?? `10.1.0.${number}`;
  return {
    workload: `cart-${number}`,
    address,
    ports: { http: 8080 },
    zone: "a",
    health: "healthy",
    serviceAccount: "cart",
    sidecars: { http: { address, port: 15_006 } },
    ...wish,
  };
}

export function localService(endpoints: readonly Endpoint[]): LocalService {
  const id = serviceIdOf("shop", "cart");
  return { id, type: "ClusterSetIP", ports: [http], endpoints, exported: { createdAtMs: 1 } };
}

export function remoteExport(name: string, wish: Partial<RemoteExport> = {}): RemoteExport {
  return {
    member: parseMemberName(name),
    cloud: "azure",
    region: `region-of-${name}`,
    network: parseNetworkName(name),
    rank: 1,
    ports: [http],
    identities: [parseSpiffeId(`spiffe://${name}.acme.mesh/ns/shop/sa/cart`)],
    zones: [{ zone: "1", healthy: 2, total: 2 }],
    gateways: [{ address: `203.0.113.${name.length}`, port: 15_443, isAlive: true }],
    endpoints: [],
    isUsable: true,
    isReturning: false,
    share: 1,
    ...wish,
  };
}

export function meshService(wish: Partial<MeshService> = {}): MeshService {
  const id = serviceIdOf("shop", "cart");
  return { id, type: "ClusterSetIP", ports: [http], remotes: [], isLocalNameShared: true, ...wish };
}
