import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { readDocument } from "../../../../src/discovery/sources/manifests/read-document.ts";
import type { WorkloadGroup } from "../../../../src/mesh/workload-group.ts";

/** The group that a document with this spec holds, and what is wrong with it. */
function read(spec: string): {
  readonly group: WorkloadGroup | undefined;
  readonly wrong: readonly string[];
} {
  const text = `apiVersion: isthmus.dev/v1alpha1
kind: WorkloadGroup
metadata: { name: carts.old, namespace: shop, generation: 3 }
spec: ${spec}
`;
  const { objects, notes } = readDocument(text);
  const [object] = objects.map(({ object }) => object);
  const group = object?.t === "workload-group" ? object.group : undefined;
  return { group, wrong: notes.map(({ code, message }) => `${code} ${message}`) };
}

const least = "serviceAccount: cart, ports: [{ name: http, port: 8080 }]";
const ofLeast = {
  id: "shop/carts.old",
  generation: 3,
  serviceAccount: "cart",
  ports: [{ name: "http", port: 8080, protocol: "TCP" }],
  labels: {},
  zone: "",
  upstreams: [],
  unhealthyAfterMs: 60_000,
  removeAfterMs: 3_600_000,
};

suite("a WorkloadGroup", () => {
  test("needs an account and ports, and has Kubernetes' defaults", () => {
    assert.deepEqual(read(`{ ${least} }`), { group: ofLeast, wrong: [] });
    const { group } = read(`{ ${least}, healthCheck: { tcp: { port: 8080 } } }`);
    assert.deepEqual(group?.healthCheck, {
      probe: { t: "tcp", port: 8080 },
      periodMs: 10_000,
      timeoutMs: 1000,
      failureThreshold: 3,
      successThreshold: 1,
    });
  });

  test("says all that it may say", () => {
    const { group, wrong } = read(`
  serviceAccount: cart
  ports: [{ name: http, port: 8080 }, { name: dns, port: 53, protocol: UDP }]
  labels: { app: cart, example.com/tier: "1" }
  locality: { region: us-east-1, zone: rack-1 }
  healthCheck: { http: { port: 8080, path: /healthz }, period: 1m30s, timeout: 500ms, failureThreshold: 2, successThreshold: 5 }
  disconnect: { unhealthyAfter: 5s, removeAfter: 1h30m }
  upstreams: [{ service: shop/stock, port: 80 }, { service: shop/stock, port: 81 }]`);
    assert.deepEqual(wrong, []);
    assert.deepEqual(group, {
      ...ofLeast,
      ports: [...ofLeast.ports, { name: "dns", port: 53, protocol: "UDP" }],
      labels: { app: "cart", "example.com/tier": "1" },
      zone: "rack-1",
      healthCheck: {
        probe: { t: "http", port: 8080, path: "/healthz" },
        periodMs: 90_000,
        timeoutMs: 500,
        failureThreshold: 2,
        successThreshold: 5,
      },
      upstreams: [
        { service: "shop/stock", port: 80 },
        { service: "shop/stock", port: 81 },
      ],
      unhealthyAfterMs: 5000,
      removeAfterMs: 5_400_000,
    });
  });

  for (const [written, probe] of [
    [
      "{ grpc: { port: 9090, service: shop.Cart } }",
      { t: "grpc", port: 9090, service: "shop.Cart" },
    ],
    ["{ grpc: { port: 9090 } }", { t: "grpc", port: 9090 }],
    ["{ http: { port: 80 } }", { t: "http", port: 80, path: "/" }],
    ['{ exec: { command: [/bin/check, "-q"] } }', { t: "exec", command: ["/bin/check", "-q"] }],
  ] as const) {
    test(`is asked by ${written}`, () => {
      const { group, wrong } = read(`{ ${least}, healthCheck: ${written} }`);
      assert.deepEqual([group?.healthCheck?.probe, wrong], [probe, []]);
    });
  }

  const wrong: readonly (readonly [string, string, RegExp])[] = [
    ["without an account", "{ ports: [{ name: http, port: 1 }] }", /spec\.serviceAccount.*missing/],
    [
      "with an account that is a path",
      "{ serviceAccount: ../admin, ports: [{ name: a, port: 1 }] }",
      /spec\.serviceAccount/,
    ],
    ["without ports", "{ serviceAccount: cart, ports: [] }", /spec\.ports.*none/],
    [
      "with a port that is none",
      "{ serviceAccount: cart, ports: [{ name: http, port: 70000 }] }",
      /port/,
    ],
    [
      "with two ports of one number",
      "{ serviceAccount: cart, ports: [{ name: a, port: 1 }, { name: b, port: 1 }] }",
      /two ports/,
    ],
    [
      "with two ports of one name",
      "{ serviceAccount: cart, ports: [{ name: a, port: 1 }, { name: a, port: 2 }] }",
      /two ports/,
    ],
    [
      "with a port whose name is a trap",
      "{ serviceAccount: cart, ports: [{ name: constructor, port: 1 }] }",
      /name/,
    ],
    [
      "with 33 ports",
      `{ serviceAccount: cart, ports: [${Array.from({ length: 33 }, (_, n) => `{ name: p${n}, port: ${n + 1} }`).join()}] }`,
      /at most 32/,
    ],
    [
      "with two checks",
      `{ ${least}, healthCheck: { tcp: { port: 1 }, http: { port: 1 } } }`,
      /healthCheck.*2 of/,
    ],
    [
      "with no check in its check",
      `{ ${least}, healthCheck: { period: 1s } }`,
      /healthCheck.*0 of/,
    ],
    [
      "that waits longer than its period",
      `{ ${least}, healthCheck: { tcp: { port: 1 }, period: 1s, timeout: 2s } }`,
      /timeout.*longer/,
    ],
    ["asked without end", `{ ${least}, healthCheck: { tcp: { port: 1 }, period: 1ms } }`, /period/],
    [
      "whose path has a line end",
      `{ ${least}, healthCheck: { http: { port: 1, path: "/a\\r\\nHost: b" } } }`,
      /path/,
    ],
    ["that runs nothing", `{ ${least}, healthCheck: { exec: { command: [] } } }`, /command/],
    [
      "whose program has a zero byte",
      `{ ${least}, healthCheck: { exec: { command: ["a\\0b"] } } }`,
      /command/,
    ],
    [
      "forgotten before it is dead",
      `{ ${least}, disconnect: { unhealthyAfter: 1h, removeAfter: 1h } }`,
      /removeAfter.*not longer/,
    ],
    [
      "with a time that is none",
      `{ ${least}, disconnect: { unhealthyAfter: soon } }`,
      /unhealthyAfter.*30s/,
    ],
    [
      "with a time beyond a month",
      `{ ${least}, disconnect: { removeAfter: 9999h } }`,
      /removeAfter/,
    ],
    ["with a label that is none", `{ ${least}, labels: { app: "a b" } }`, /labels/],
    [
      "with an upstream that is none",
      `{ ${least}, upstreams: [{ service: stock, port: 80 }] }`,
      /NAMESPACE\/NAME/,
    ],
    [
      "with an upstream twice",
      `{ ${least}, upstreams: [{ service: a/b, port: 80 }, { service: a/b, port: 80 }] }`,
      /twice/,
    ],
  ];
  for (const [what, spec, message] of wrong) {
    test(`${what} is refused, and says why`, () => {
      const { group, wrong: notes } = read(spec);
      assert.equal(group, undefined);
      assert.match(notes.join("\n"), message);
      assert.match(notes.join("\n"), /SOURCE_OBJECT_INVALID/);
    });
  }

  test("with a word that nobody knows counts, and the word is named", () => {
    const { group, wrong: notes } = read(`{ ${least}, label: { app: cart } }`);
    assert.equal(group?.serviceAccount, "cart");
    assert.match(notes.join(), /SOURCE_FIELD_UNKNOWN.*spec\.label/);
  });
});

test("a Service says whom it selects and where its ports lead; without labels nobody", () => {
  const selects = (spec: string): unknown => {
    const { objects } = readDocument(`apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: ${spec}
`);
    const object = objects[0]?.object;
    return object?.t === "service" ? object.selects : "none";
  };
  assert.deepEqual(
    selects(
      "{ selector: { app: cart }, ports: [{ name: a, port: 80, targetPort: http }, { name: b, port: 81, targetPort: 9 }, { name: c, port: 82 }] }",
    ),
    { labels: { app: "cart" }, targets: { a: "http", b: 9 } },
  );
  assert.equal(selects("{ ports: [{ port: 80 }] }"), undefined);
  assert.equal(selects("{ selector: {}, ports: [{ port: 80 }] }"), undefined);
  assert.equal(selects("{ selector: { app: [] }, ports: [{ port: 80 }] }"), "none", "refused");
});
