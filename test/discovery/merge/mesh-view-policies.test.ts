import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { ShardContent } from "../../../src/discovery/follow/shard-content.ts";
import { createShardContent } from "../../../src/discovery/follow/shard-content.ts";
import type { MeshView } from "../../../src/discovery/merge/mesh-view.ts";
import { createMeshView } from "../../../src/discovery/merge/mesh-view.ts";
import type { ImportPolicy } from "../../../src/discovery/policies/import-policy.ts";
import { exportOf } from "../../../src/discovery/publish/export-records.ts";
import type { MemberName, ServiceId } from "../../../src/mesh/ids.ts";
import { parseMemberName, parseServiceId, trustDomainOf } from "../../../src/mesh/ids.ts";
import { anyClaim } from "../support/fake-trust.ts";
import { charterOf, east, mesh, serviceOf, west } from "../support/made.ts";

const self = parseMemberName("home");
const cart = parseServiceId("shop/cart");
const ledger = parseServiceId("bank/ledger");
const charter = charterOf([self, east, west]);

let view: MeshView;

beforeEach(() => {
  const contents = new Map<MemberName, ShardContent>();
  view = createMeshView({
    self,
    charter: () => charter,
    shardOf: (member) => contents.get(member),
    verdictOf: () => ({
      state: "live",
      isUsable: true,
      isReachable: true,
      share: 1,
      isExpired: false,
    }),
    rankOf: () => 1,
    gatewaysOf: () => [{ address: "192.0.2.1", port: 15_443, isAlive: true }],
  });
  for (const member of [east, west]) {
    const content = createShardContent({ member, checkClaim: anyClaim });
    contents.set(member, content);
    const trustDomain = trustDomainOf(member, mesh);
    const records = ["shop/cart", "bank/ledger"].flatMap((id) => [
      ...(exportOf(serviceOf(id), { trustDomain, isNetworkShared: true })?.encoded ?? []),
    ]);
    view.applyShard(member, content.apply({ changed: records, removed: [] }));
  }
});

function policy(name: string, namespaces: string[], members: string[]): ImportPolicy {
  return { name, generation: 1, namespaces, members };
}

function apply(...policies: ImportPolicy[]): readonly ServiceId[] {
  return [...view.applyPolicies(policies)].sort();
}

function remotes(id: ServiceId): readonly string[] {
  return (view.service(id)?.remotes ?? []).map(({ member }) => member).sort();
}

test("applyPolicies() changes the services that a member joins or leaves, and no others", () => {
  assert.deepEqual(remotes(cart), [east, west]);
  assert.deepEqual(apply(policy("near", ["shop"], ["west"])), [cart]);
  assert.deepEqual(remotes(cart), [west]);
  assert.deepEqual(remotes(ledger), [east, west]);
  // Another policy with the same outcome, and one about a namespace without services.
  assert.deepEqual(
    apply(policy("near", ["shop"], ["west"]), policy("far", ["shop", "tools"], ["west"])),
    [],
  );
  assert.deepEqual(apply(policy("near", ["*"], ["west"])), [ledger]);
  assert.deepEqual(apply(), [ledger, cart]);
  assert.deepEqual(remotes(cart), [east, west]);
});

test("a service that policies leave to nobody is gone, and back with the policy's end", () => {
  assert.deepEqual(apply(policy("none", ["shop"], [])), [cart]);
  assert.equal(view.service(cart), undefined);
  assert.deepEqual(apply(), [cart]);
  assert.deepEqual(remotes(cart), [east, west]);
});

test("a policy about other members leaves the own workloads alone", () => {
  view.applyLocal({ upserts: [serviceOf("shop/cart")], removed: [] });
  apply(policy("none", ["*"], []));
  assert.equal(view.service(cart)?.local?.endpoints.length, 1);
  assert.deepEqual(remotes(cart), []);
});

test("a member that begins to export joins only where policies let it", () => {
  apply(policy("none", ["shop"], ["east"]));
  view.dropMember(west);
  assert.deepEqual(remotes(cart), [east]);
  assert.deepEqual(view.keptOut(cart), []);
});

test("keptOut() says which member's export does not join, and by which policies", () => {
  assert.deepEqual(view.keptOut(cart), []);
  apply(policy("a", ["shop"], ["west"]), policy("b", ["*"], ["west"]));
  const [kept, ...more] = view.keptOut(cart);
  assert.deepEqual(more, []);
  assert.equal(kept?.member, east);
  assert.equal(kept?.record.id, cart);
  assert.deepEqual([...(kept?.policies ?? [])].sort(), ["a", "b"]);
});

test("findings() tells of policies", () => {
  apply(policy("a", ["shop"], ["esat"]));
  assert.deepEqual(
    view.findings().map(({ code }) => code),
    ["IMPORT_MEMBER_UNKNOWN"],
  );
});
