// Random services as a member may see them: hostile counts, shared addresses, dead gateways.
import fc from "fast-check";
import type { RemoteExport } from "../../../src/discovery/mesh-service.ts";
import {
  parseMemberName,
  parseNetworkName,
  parseSpiffeId,
  serviceIdOf,
} from "../../../src/mesh/ids.ts";
import type { Endpoint, LocalService, ServicePort } from "../../../src/mesh/service.ts";
import type { Offer } from "../../../src/proxy/levels/levels.ts";
import type { Viewer } from "../../../src/proxy/viewer.ts";

const port: ServicePort = { name: "http", port: 80, protocol: "TCP" };

// Few on purpose: the same address must come up twice.
const address = fc.integer({ min: 1, max: 12 }).map((last) => `10.0.0.${last}`);
const zone = fc.constantFrom("", "a", "b", "c");
const count = fc.oneof(
  fc.integer({ min: 0, max: 20 }),
  fc.constantFrom(1_000, 4_000_000_000, 1e300),
);

const endpoint: fc.Arbitrary<Endpoint> = fc
  .record({
    address,
    zone,
    health: fc.constantFrom("healthy", "draining", "unhealthy"),
    hasSidecar: fc.boolean(),
    hasPort: fc.boolean(),
  })
  .map(({ hasSidecar, hasPort, ...rest }) => ({
    ...rest,
    workload: `cart-${rest.address}`,
    ports: hasPort ? { http: 8080 } : {},
    ...(hasSidecar ? { sidecars: { http: { address: rest.address, port: 15006 } } } : {}),
  }));

const local: fc.Arbitrary<LocalService> = fc
  .record({ endpoints: fc.array(endpoint, { maxLength: 12 }), isClose: fc.boolean() })
  .map(({ endpoints, isClose }) => ({
    id: serviceIdOf("shop", "cart"),
    type: "ClusterSetIP",
    ports: [port],
    endpoints,
    ...(isClose ? { trafficDistribution: "PreferClose" } : {}),
  }));

function remote(name: string): fc.Arbitrary<RemoteExport> {
  const member = parseMemberName(name);
  const gateway = fc.record({ address, port: fc.constant(15_443), isAlive: fc.boolean() });
  return fc.record({
    member: fc.constant(member),
    cloud: fc.constantFrom("aws", "gcp"),
    region: fc.constantFrom("us-east-1", "asia-east1"),
    network: fc.constantFrom(parseNetworkName("east"), parseNetworkName(name)),
    rank: fc.integer({ min: 1, max: 3 }),
    ports: fc.constant([port]),
    identities: fc.constant([parseSpiffeId(`spiffe://${name}.acme.mesh/ns/shop/sa/cart`)]),
    zones: fc.array(fc.record({ zone, healthy: count, total: count }), { maxLength: 3 }),
    gateways: fc.array(gateway, { maxLength: 3 }),
    endpoints: fc.array(endpoint, { maxLength: 4 }),
    isUsable: fc.boolean(),
    isReturning: fc.boolean(),
    share: fc.constantFrom(0, 0.01, 0.25, 0.5, 1),
  });
}

const remotes = fc
  .tuple(...["west", "asia", "twin", "near", "far"].map(remote))
  .chain((all) => fc.subarray(all));

export const offers: fc.Arbitrary<Offer> = fc
  .record({ local: fc.option(local, { nil: undefined }), remotes })
  .map(({ local: own, remotes: others }) => {
    return { port, remotes: others, ...(own === undefined ? {} : { local: own }) };
  });

export const viewers: fc.Arbitrary<Viewer> = fc
  .record({
    zone,
    callers: fc.option(fc.dictionary(zone, fc.integer({ min: 0, max: 9 })), { nil: undefined }),
  })
  .map(({ zone: own, callers }) => ({
    member: parseMemberName("east"),
    cloud: "aws",
    region: "us-east-1",
    network: parseNetworkName("east"),
    zone: own,
    ...(callers === undefined ? {} : { callers: new Map(Object.entries(callers)) }),
  }));
