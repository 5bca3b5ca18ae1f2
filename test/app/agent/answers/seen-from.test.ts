import assert from "node:assert/strict";
import { test } from "node:test";
import { type MemberPart, seenFrom } from "../../../../src/app/agent/answers/seen-from.ts";
import type { ZoneCount } from "../../../../src/discovery/mesh-service.ts";
import type { CharterMember } from "../../../../src/mesh/charter.ts";
import { parseMemberName, parseNetworkName, parseServiceId } from "../../../../src/mesh/ids.ts";
import { type EndpointLine, endpointOrder } from "../../../../src/proxy/levels/endpoint-order.ts";

const id = parseServiceId("shop/cart");

function entryOf(name: string, place: { cloud?: string; region?: string; network?: string } = {}) {
  const { cloud = "aws", region = "us-east-1", network = name } = place;
  return {
    name: parseMemberName(name),
    cloud,
    region,
    network: parseNetworkName(network),
    gatewayRanges: [],
    mayExport: ["*"],
    issuers: [],
    state: "active",
  } satisfies CharterMember;
}

function partOf(entry: CharterMember, zones: readonly ZoneCount[]): MemberPart {
  return {
    entry,
    record: {
      t: "service",
      id,
      type: "ClusterSetIP",
      ports: [{ name: "http", port: 80, protocol: "TCP" }],
      createdAtMs: 0,
      identities: [],
      zones,
    },
    endpoints: [],
    gateways: [{ address: `10.0.0.${entry.name.length}`, port: 15443, isAlive: true }],
    verdict: { state: "live", isUsable: true, isReachable: true, share: 1, isExpired: false },
  };
}

function orderFrom(
  place: CharterMember,
  seen: { readonly zone: string; readonly parts: readonly MemberPart[] },
): readonly EndpointLine[] {
  const service = seenFrom(place, { id, parts: seen.parts });
  if (service === undefined) return [];
  const { name: member, cloud, region, network } = place;
  return endpointOrder(service, { member, cloud, region, network, zone: seen.zone });
}

function steps(lines: readonly EndpointLine[]): readonly string[] {
  const isOne = (line: EndpointLine): boolean => line.target.suffix === "svc.clusterset.local";
  return [
    ...new Set(lines.filter(isOne).map((line) => `${line.priority} ${line.level} ${line.member}`)),
  ];
}

const west = entryOf("west");
const near = entryOf("near");
const sameCloud = entryOf("same-cloud", { region: "eu-west-1" });
const otherCloud = entryOf("other-cloud", { cloud: "azure", region: "eastus" });
const one = [{ zone: "a", healthy: 1, total: 1 }];

test("seenFrom() puts the asked member first, then its region, its cloud, and the rest", () => {
  const parts = [otherCloud, sameCloud, near, west].map((entry) => partOf(entry, one));
  assert.deepEqual(steps(orderFrom(west, { zone: "a", parts })), [
    "0 own-member west",
    "1 same-region near",
    "2 other-region same-cloud",
    "3 other-region other-cloud",
  ]);
});

test("seenFrom() keeps shares by the counts that a member publishes, of any size", () => {
  const zones = [
    { zone: "a", healthy: 30_000, total: 30_000 },
    { zone: "b", healthy: 0, total: 10_000 },
  ];
  const lines = orderFrom(west, { zone: "a", parts: [partOf(west, zones), partOf(near, one)] });
  assert.ok(lines.length < 4000);
  const inA = lines.filter(
    ({ zone, target }) => zone === "west/a" && target.suffix === "svc.cluster.local",
  );
  const share = inA.reduce((sum, line) => sum + line.share, 0);
  assert.ok(Math.abs(share - 1) < 0.01, String(share));
});

test("seenFrom() dials a member of the same network directly, and others through gateways", () => {
  const direct = entryOf("direct", { network: "west" });
  const endpoint = {
    workload: "cart-1",
    address: "10.9.0.1",
    ports: { http: 8080 },
    zone: "a",
    health: "healthy" as const,
    sidecars: { http: { address: "10.9.0.1", port: 15006 } },
  };
  const parts = [direct, near].map((entry) => ({ ...partOf(entry, one), endpoints: [endpoint] }));
  const lines = orderFrom(west, { zone: "", parts });
  assert.deepEqual(
    [...new Set(lines.map(({ member, address, via }) => `${member} ${address} ${via}`))].sort(),
    ["direct 10.9.0.1 sidecar", "near 10.0.0.4 gateway"],
  );
});

test("seenFrom() is undefined where nobody exports the service", () => {
  assert.equal(seenFrom(west, { id, parts: [] }), undefined);
});
