import assert from "node:assert/strict";
import { test } from "node:test";
import type { ImportPolicy } from "../../../src/discovery/policies/import-policy.ts";
import { importRules } from "../../../src/discovery/policies/import-rules.ts";
import { namespaceOf, parseMemberName, parseServiceId } from "../../../src/mesh/ids.ts";

const shop = namespaceOf(parseServiceId("shop/cart"));
const bank = namespaceOf(parseServiceId("bank/ledger"));
const east = parseMemberName("east");
const west = parseMemberName("west");
const charter = new Set(["home", "east", "west"]);

function policy(
  name: string,
  namespaces: readonly string[],
  members: readonly string[],
): ImportPolicy {
  return { name, generation: 1, namespaces, members };
}

test("against() names nobody where no policy is about the namespace", () => {
  assert.deepEqual(importRules([]).against(shop, east), []);
  assert.deepEqual(importRules([policy("a", ["bank"], [])]).against(shop, east), []);
});

test("against() names each policy that does not name the member, whatever their order", () => {
  const policies = [
    policy("all", ["*"], ["east", "west"]),
    policy("shop", ["shop", "bank"], ["west"]),
    policy("none", ["bank"], []),
    policy("open", ["shop"], ["*"]),
  ];
  for (const rules of [importRules(policies), importRules([...policies].reverse())]) {
    assert.deepEqual(rules.against(shop, west), []);
    assert.deepEqual(rules.against(shop, east), ["shop"]);
    assert.deepEqual([...rules.against(bank, east)].sort(), ["none", "shop"]);
    assert.deepEqual(rules.against(shop, parseMemberName("south")), ["all", "shop"]);
    // Asked again, the same.
    assert.deepEqual(rules.against(shop, east), ["shop"]);
  }
});

test("findings() names policies that together take nothing over", () => {
  const rules = importRules([
    policy("a", ["shop", "bank"], ["east"]),
    policy("b", ["shop"], ["west"]),
  ]);
  const [found, ...more] = rules.findings(charter);
  assert.deepEqual(more, []);
  assert.equal(found?.code, "IMPORT_POLICIES_DISJOINT");
  assert.equal(found?.subject, "namespace shop");
  assert.match(found?.message ?? "", /"a", "b"/);
});

test("findings() says it once of policies about all namespaces", () => {
  const rules = importRules([
    policy("a", ["*"], ["east"]),
    policy("b", ["*"], ["west"]),
    policy("c", ["shop"], ["east"]),
  ]);
  assert.deepEqual(
    rules.findings(charter).map(({ subject }) => subject),
    ["all namespaces"],
  );
});

test("findings() takes a policy that keeps everybody out as meant", () => {
  const rules = importRules([policy("a", ["shop"], ["east"]), policy("b", ["shop"], [])]);
  assert.deepEqual(rules.findings(charter), []);
});

test("findings() names members that the charter does not know", () => {
  const rules = importRules([
    policy("a", ["shop"], ["esat", "west"]),
    policy("b", ["bank"], ["*"]),
  ]);
  assert.deepEqual(
    rules.findings(charter).map(({ code, subject }) => [code, subject]),
    [["IMPORT_MEMBER_UNKNOWN", "ImportPolicy/a"]],
  );
});

test("importRules() takes 200 policies and says that the others do not count", () => {
  const many = Array.from({ length: 201 }, (_, index) =>
    policy(`p${String(index).padStart(3, "0")}`, ["shop"], index === 200 ? [] : ["*"]),
  );
  const rules = importRules(many.reverse());
  assert.deepEqual(rules.against(shop, east), []);
  assert.deepEqual(
    rules.findings(charter).map(({ code, severity }) => [code, severity]),
    [["IMPORT_POLICIES_TOO_MANY", "error"]],
  );
});
