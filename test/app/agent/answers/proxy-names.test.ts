import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentView } from "../../../../src/app/agent/agent-view.ts";
import { proxyConfigOf } from "../../../../src/app/agent/answers/proxies.ts";
import { MeshError } from "../../../../src/mesh/errors.ts";

const nodes = [
  "sidecar/shop/cart-1/aaaa",
  "sidecar/shop/cart-2/bbbb",
  "sidecar/shop/cart-2/cccc",
  "sidecar/back/db/dddd",
  "gateway/isthmus/gateway/eeee",
];

function ask(node: string): string {
  const proxies = {
    proxies: () => nodes.map((nodeId) => ({ status: { nodeId } })),
    configOf: (asked: string) => (nodes.includes(asked) ? [] : undefined),
  };
  const view = { proxies } as unknown as AgentView;
  const query = { text: (name: string) => (name === "node" ? node : undefined) };
  return proxyConfigOf(view, query as unknown as Parameters<typeof proxyConfigOf>[1]).node;
}

for (const [asked, found] of [
  ["sidecar/shop/cart-1/aaaa", nodes[0]],
  ["cart-1", nodes[0]],
  ["shop/cart-1", nodes[0]],
  ["sidecar/shop/cart-1", nodes[0]],
  ["sidecar/shop/cart-2/b", nodes[1]],
  ["db", nodes[3]],
  ["back", nodes[3]],
  ["gate", nodes[4]],
] as const) {
  test(`proxyConfigOf() knows ${found} by "${asked}"`, () => {
    assert.equal(ask(asked), found);
  });
}

function refusalOf(asked: string): readonly string[] {
  try {
    ask(asked);
  } catch (thrown) {
    assert.ok(thrown instanceof MeshError);
    assert.equal(thrown.code, "MESH_NOT_FOUND");
    return thrown.message.split("\n");
  }
  return assert.fail("it was found");
}

test("proxyConfigOf() says which proxies a name may mean, and what to type", () => {
  const [head, ...lines] = refusalOf("cart-2");
  assert.match(head ?? "", /Cannot choose proxy "cart-2": 2 proxies/);
  assert.deepEqual(lines, [
    "  isthmus proxy config sidecar/shop/cart-2/bbbb",
    "  isthmus proxy config sidecar/shop/cart-2/cccc",
  ]);
  assert.equal(refusalOf("cart").length, 4);
});

test("proxyConfigOf() says what is near a name that nobody has", () => {
  const [line] = refusalOf("crat-1");
  assert.match(line ?? "", /no open stream/);
  assert.match(line ?? "", /isthmus proxy list/);
});
