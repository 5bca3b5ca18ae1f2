import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { ContentChange, ShardContent } from "../../../src/discovery/follow/shard-content.ts";
import { createShardContent } from "../../../src/discovery/follow/shard-content.ts";
import type { MemberVerdict } from "../../../src/discovery/members/member-state.ts";
import type { MeshView } from "../../../src/discovery/merge/mesh-view.ts";
import { createMeshView } from "../../../src/discovery/merge/mesh-view.ts";
import { exportOf } from "../../../src/discovery/publish/export-records.ts";
import type { Charter } from "../../../src/mesh/charter.ts";
import type { MemberName, ServiceId } from "../../../src/mesh/ids.ts";
import {
  parseMemberName,
  parseNetworkName,
  parseServiceId,
  trustDomainOf,
} from "../../../src/mesh/ids.ts";
import type { LocalService } from "../../../src/mesh/service.ts";
import { anyClaim } from "../support/fake-trust.ts";
import { charterOf, east, endpointOf, mesh, serviceOf, south, west } from "../support/made.ts";

const self = parseMemberName("home");
const cart = parseServiceId("shop/cart");
const up: MemberVerdict = {
  state: "live",
  isUsable: true,
  isReachable: true,
  share: 1,
  isExpired: false,
};
const down: MemberVerdict = { ...up, state: "down", isUsable: false, isReachable: false };

let charter: Charter;
let contents: Map<MemberName, ShardContent>;
let verdicts: Map<MemberName, MemberVerdict>;
let view: MeshView;

beforeEach(() => {
  charter = charterOf([self, east, west, south]);
  contents = new Map();
  verdicts = new Map();
  view = createMeshView({
    self,
    charter: () => charter,
    shardOf: (member) => contents.get(member),
    verdictOf: (member) => verdicts.get(member) ?? up,
    rankOf: () => 1,
    gatewaysOf: () => [{ address: "192.0.2.1", port: 15_443, isAlive: true }],
  });
});

/** The member publishes exactly these; returns what the view says has changed. */
function publish(member: MemberName, ...services: LocalService[]): readonly ServiceId[] {
  const content = contents.get(member) ?? createShardContent({ member, checkClaim: anyClaim });
  contents.set(member, content);
  const trustDomain = trustDomainOf(member, mesh);
  const records = services.flatMap((service) => [
    ...(exportOf(service, { trustDomain, isNetworkShared: true })?.encoded ?? []),
  ]);
  const kept = new Set(services.map((service) => service.id));
  const removed = [...content.services()]
    .filter((id) => !kept.has(id))
    .flatMap((id) => [`service/${id}`, `endpoints/${id}/0`]);
  const change: ContentChange = content.apply({ changed: records, removed });
  return [...view.applyShard(member, change)];
}

function local(...services: LocalService[]): readonly ServiceId[] {
  return [...view.applyLocal({ upserts: services, removed: [] })];
}

function remotes(id = cart): readonly string[] {
  return (view.service(id)?.remotes ?? []).map((remote) => remote.member).toSorted();
}

function usable(id = cart): readonly string[] {
  return (view.service(id)?.remotes ?? []).flatMap((one) => (one.isUsable ? [one.member] : []));
}

const healthy = (count: number): LocalService =>
  serviceOf("shop/cart", {
    endpoints: Array.from({ length: count }, (_, index) => endpointOf(index)),
  });

test("a service of one other member is what that member says", () => {
  assert.deepEqual(publish(east, serviceOf("shop/cart")), [cart]);
  const service = view.service(cart);
  assert.deepEqual(remotes(), [east]);
  assert.equal(service?.isLocalNameShared, true);
  assert.equal(service?.local, undefined);
  assert.deepEqual(service?.remotes[0]?.zones, [{ zone: "a", healthy: 1, total: 1 }]);
  assert.equal(service?.remotes[0]?.region, "region-east");
});

test("remote exports join an exported local service under both names", () => {
  local(serviceOf("shop/cart"));
  publish(east, serviceOf("shop/cart"));
  assert.equal(view.service(cart)?.isLocalNameShared, true);
  assert.deepEqual(remotes(), [east]);
});

test("a service that is only local keeps cluster.local to itself", () => {
  const { exported: _, ...own } = serviceOf("shop/cart");
  local(own);
  publish(east, serviceOf("shop/cart"));
  assert.equal(view.service(cart)?.isLocalNameShared, false);
  assert.deepEqual(remotes(), [east]);
});

test("the local definition of a port wins, then the oldest export, and the conflict is reported", () => {
  const port = (number: number): LocalService["ports"] => [
    { name: "http", port: number, protocol: "TCP" },
  ];
  publish(east, serviceOf("shop/cart", { ports: port(81), exported: { createdAtMs: 2 } }));
  publish(west, serviceOf("shop/cart", { ports: port(82), exported: { createdAtMs: 1 } }));
  assert.equal(view.service(cart)?.ports[0]?.port, 82);
  local(serviceOf("shop/cart"));
  assert.equal(view.service(cart)?.ports[0]?.port, 80);
  assert.deepEqual(
    view.findings().map((finding) => finding.code),
    ["CATALOG_PORT_CONFLICT", "CATALOG_PORT_CONFLICT"],
  );
});

test("ports of all definitions are joined by name", () => {
  local(serviceOf("shop/cart"));
  publish(
    east,
    serviceOf("shop/cart", { ports: [{ name: "admin", port: 9000, protocol: "TCP" }] }),
  );
  assert.deepEqual(
    view.service(cart)?.ports.map((port) => port.name),
    ["http", "admin"],
  );
  assert.deepEqual(view.findings(), []);
});

test("a change of one service changes that service only", () => {
  publish(east, serviceOf("shop/cart"), serviceOf("shop/other"));
  const before = view.service(parseServiceId("shop/other"));
  assert.deepEqual(
    publish(east, serviceOf("shop/cart", { healths: ["unhealthy"] }), serviceOf("shop/other")),
    [cart],
  );
  assert.equal(view.service(parseServiceId("shop/other")), before);
  assert.equal(view.service(cart)?.remotes[0]?.zones[0]?.healthy, 0);
});

test("a withdrawn export is gone, and with the last one the service", () => {
  publish(east, serviceOf("shop/cart"));
  publish(west, serviceOf("shop/cart"));
  assert.deepEqual(publish(east), [cart]);
  assert.deepEqual(remotes(), [west]);
  publish(west);
  assert.equal(view.service(cart), undefined);
  assert.deepEqual(view.services(), []);
});

test("a remote change of less than a tenth of the weight waits for the next", () => {
  publish(east, healthy(30));
  assert.equal(view.service(cart)?.remotes[0]?.zones[0]?.healthy, 30);
  assert.deepEqual(publish(east, healthy(28)), []);
  assert.equal(view.service(cart)?.remotes[0]?.zones[0]?.healthy, 30);
  assert.deepEqual(publish(east, healthy(27)), [cart], "a tenth of what is shown");
  assert.deepEqual(publish(east, healthy(28)), []);
  publish(west, healthy(1));
  assert.equal(
    view.service(cart)?.remotes[0]?.zones[0]?.healthy,
    28,
    "the next change takes it along",
  );
});

test("the first and the last healthy workload never wait", () => {
  publish(east, serviceOf("shop/cart", { healths: ["unhealthy"] }));
  assert.deepEqual(publish(east, serviceOf("shop/cart", { healths: ["healthy"] })), [cart]);
  assert.deepEqual(publish(east, serviceOf("shop/cart", { healths: ["unhealthy"] })), [cart]);
});

test("a member held for dead is not usable while another serves, for all its services", () => {
  publish(east, serviceOf("shop/cart"), serviceOf("shop/only"));
  publish(west, serviceOf("shop/cart"));
  verdicts.set(east, down);
  assert.deepEqual([...view.touchMembers([east])].toSorted(), ["shop/cart", "shop/only"]);
  assert.deepEqual(usable(), [west]);
  assert.deepEqual(usable(parseServiceId("shop/only")), [east]);
});

test("with all remote members held for dead at once everything stays usable", () => {
  publish(east, serviceOf("shop/cart"));
  publish(west, serviceOf("shop/cart"));
  for (const member of [east, west]) {
    verdicts.set(member, down);
    view.touchMembers([member]);
  }
  assert.deepEqual(usable().toSorted(), [east, west]);
});

test("healthy local endpoints stand in for remotes only where the service is exported", () => {
  const { exported: _, ...own } = serviceOf("shop/cart");
  publish(east, serviceOf("shop/cart"));
  verdicts.set(east, down);
  view.touchMembers([east]);
  local(own);
  assert.deepEqual(usable(), [east]);
  local(serviceOf("shop/cart"));
  assert.deepEqual(usable(), []);
});

test("a member that was down too long is left out, unless that takes more than half of all", () => {
  const gone = { ...down, isExpired: true };
  publish(east, healthy(2));
  publish(west, healthy(2));
  verdicts.set(east, gone);
  view.touchMembers([east]);
  assert.deepEqual(remotes(), [west]);
  verdicts.set(west, gone);
  view.touchMembers([west]);
  assert.deepEqual(remotes(), [west]);
  verdicts.set(east, up);
  assert.deepEqual([...view.touchMembers([east])], [cart]);
  assert.deepEqual(remotes(), [east], "west's turn: it is half, not more");
});

test("dropMember() forgets all of a denied member at once", () => {
  publish(east, serviceOf("shop/cart"), serviceOf("shop/only"));
  contents.delete(east);
  assert.deepEqual([...view.dropMember(east)].toSorted(), ["shop/cart", "shop/only"]);
  assert.equal(view.service(cart), undefined);
});

test("workloads of the own network are dialled themselves, those of others are not", () => {
  charter = {
    ...charter,
    members: charter.members.map((one) =>
      one.name === self || one.name === east ? { ...one, network: parseNetworkName("lan") } : one,
    ),
  };
  publish(east, serviceOf("shop/cart"));
  publish(west, serviceOf("shop/cart"));
  const endpoints = view.service(cart)?.remotes.map((one) => [one.member, one.endpoints.length]);
  assert.deepEqual(endpoints, [
    [east, 1],
    [west, 0],
  ]);
});

test("two members of the own network that claim one address are both reached through gateways", () => {
  charter = charterOf([self, east, west], { entries: { network: parseNetworkName("lan") } });
  const apart = serviceOf("shop/cart", { endpoints: [endpointOf(77)] });
  publish(east, serviceOf("shop/cart"));
  assert.deepEqual(publish(west, serviceOf("shop/cart")), [cart]);
  const dialled = (): unknown => view.service(cart)?.remotes.map((one) => one.endpoints.length);
  assert.deepEqual(dialled(), [0, 0]);
  assert.deepEqual(
    view.findings().map((finding) => finding.code),
    ["CATALOG_ADDRESS_CONFLICT"],
  );
  publish(west, apart);
  assert.deepEqual(dialled(), [1, 1]);
  assert.deepEqual(view.findings(), []);
});

test("an address that a local workload has too is reached through the other member's gateway", () => {
  charter = charterOf([self, east], { entries: { network: parseNetworkName("lan") } });
  publish(east, serviceOf("shop/cart"));
  assert.deepEqual([...local(serviceOf("shop/mine"))].toSorted(), ["shop/cart", "shop/mine"]);
  assert.deepEqual(view.service(cart)?.remotes[0]?.endpoints, []);
});
